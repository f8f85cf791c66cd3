"""The interface in other languages; what is missing here stays in English."""

import bpy

from .. import __package__ as EXTENSION

_JAPANESE = {
    # headings
    "Shot": "ショット",
    "Drawings": "動画",
    "Paint": "彩色",
    "Output": "出力",
    "Jobs": "ジョブ",
    "Corrections": "修正",
    "Models": "モデル",
    # the shot
    "Reference": "参照画像",
    "References": "参照画像",
    "Own Reference": "専用の参照画像",
    "Own References": "専用の参照画像",
    "Choose Reference…": "参照画像を選択…",
    "Open Pictures…": "画像を開く…",
    "Model": "モデル",
    "Source": "入力",
    "Grease Pencil": "グリースペンシル",
    "Scans": "スキャン画像",
    "Selected Only": "選択物のみ",
    "Destination": "出力先",
    "Sequencer Strip": "シーケンサーのストリップ",
    "Camera Plane": "カメラの平面",
    "Render Size": "レンダーサイズ",
    "Own Size": "サイズ指定",
    "Close Gaps": "隙間を閉じる",
    "Confidence": "信頼度",
    "Best Guess": "最有力候補で塗る",
    "Background": "背景",
    "Draw Lines": "線を描く",
    "Trace Lines": "色トレス線",
    "left out": "対象外",
    "hidden": "非表示",
    "rough": "ラフ",
    "commercial use": "商用利用可",
    "no commercial use": "商用利用不可",
    "License: {}": "ライセンス: {}",
    # jobs and engine
    "{} left": "残り {}",
    "Waiting, number {} in the queue": "待機中 ({}番目)",
    "Look at {} pictures": "確認が必要な画像: {}",
    "{} in doubt": "不確か {}",
    "{} leaking": "色漏れ {}",
    "Will be imported as soon as nothing else is going on in Blender": "Blenderで他の操作が終わりしだい読み込みます",
    "Import": "読み込む",
    "Cancel All": "すべてキャンセル",
    "Clear Ended": "終了分を消去",
    "Install Engine": "エンジンをインストール",
    "Install Again": "再インストール",
    "Engine Python": "エンジンのPython",
    "Open Preferences": "プリファレンスを開く",
    "Commercial use is allowed": "商用利用可",
    "Not for commercial use": "商用利用不可",
    "Ready": "使用可能",
    "Needs the engine": "エンジンが必要です",
    "Weights: {}": "重み: {}",
    "Weights are missing: {} files of {:.0f} GB": "重みがありません: {}ファイル、{:.0f} GB",
    "Missing Files": "不足しているファイル",
    "Read the License": "ライセンスを読む",
    "I have read these licenses and accept them": "これらのライセンスを読み、同意します",
    "Starting": "開始中",
    # corrections
    "Unpainted": "塗らない",
    "As in {}": "フレーム {} と同じ",
    "Click the region to correct": "修正する領域をクリックしてください",
    "Click the region that it is to be like": "同じ色にする領域をクリックしてください",
    "Color the shot first, then correct it": "まずショットを彩色してから修正してください",
    "No region is in doubt": "不確かな領域はありません",
    "There is no correction to remove": "削除する修正はありません",
    # sentences
    "Choose a reference first": "まず参照画像を選んでください",
    "Choose a model first": "まずモデルを選んでください",
    "Add a camera that sees the drawings": "動画を写すカメラを追加してください",
    "Add a Grease Pencil object that is visible": "表示されているグリースペンシルオブジェクトを追加してください",
    "Select the Grease Pencil objects to color": "彩色するグリースペンシルオブジェクトを選択してください",
    "Let at least one layer take part, under Drawings": "「動画」で少なくとも1つのレイヤーを対象にしてください",
    "Choose the strip that holds the scanned drawings": "スキャンした動画のストリップを選んでください",
    "Install the engine first, in Shiage's preferences": "まずShiageのプリファレンスでエンジンをインストールしてください",
    "The engine is being installed: wait until that is done": "エンジンをインストール中です。終わるまでお待ちください",
    "This shot is being colored: wait, or cancel its job": "このショットは彩色中です。待つか、ジョブをキャンセルしてください",
    "Nothing was colored yet": "まだ彩色されていません",
    "Get the model's weights first, under Models": "まず「モデル」で重みを入手してください",
    "Wait until the weights are downloaded": "重みのダウンロードが終わるまでお待ちください",
    "Blender may not go online: allow it in the preferences, or put these files there by hand": (
        "オンラインアクセスが許可されていません。プリファレンスで許可するか、これらのファイルを手動で置いてください"
    ),
}
_JAPANESE_OPERATORS = {
    "Colorize Shot": "ショットを彩色",
    "Open References": "参照画像を開く",
    "Cancel Job": "ジョブをキャンセル",
    "Fix Region": "領域を修正",
    "Fix Region…": "領域を修正…",
    "Leave Unpainted": "塗らない",
    "Same as Another Region…": "別の領域と同じ…",
    "Go to Next Unknown": "次の不確かな領域へ",
    "Remove Correction": "修正を削除",
    "Retry Job": "ジョブを再実行",
    "Import Pictures": "画像を読み込む",
    "Open Job Folder": "ジョブのフォルダーを開く",
    "Choose Reference…": "参照画像を選択…",
    "Open Pictures…": "画像を開く…",
    "Import": "読み込む",
    "Cancel All": "すべてキャンセル",
    "Clear Ended": "終了分を消去",
    "Install Engine": "エンジンをインストール",
    "Install Again": "再インストール",
    "Download Weights": "重みをダウンロード",
    "Download…": "ダウンロード…",
    "Cancel Download": "ダウンロードを中止",
    "Copy List of Files": "ファイルの一覧をコピー",
    "Look Again": "もう一度確認",
    "Test Engine": "エンジンをテスト",
    "Open Preferences": "プリファレンスを開く",
}
_TEXTS = {
    "ja_JP": {
        **{("*", text): translated for text, translated in _JAPANESE.items()},
        **{("Operator", text): translated for text, translated in _JAPANESE_OPERATORS.items()},
    }
}


def register() -> None:
    bpy.app.translations.register(EXTENSION, _TEXTS)


def unregister() -> None:
    bpy.app.translations.unregister(EXTENSION)
