"""What the name of a bone tells: the side, and which joints it may bear. English, Japanese and Chinese, in the spellings of the field.

A name is cut into words ("Bip001 L UpperArm" -> bip, l, upper, arm). Words that most bones of the armature share say nothing, the ones that
helpers have speak against a bone, and those of fingers, controls and clothes exclude it.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


def _split_words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SIDES = {"l": "L", "left": "L", "lft": "L", "lf": "L", "lt": "L", "左": "L"}
_SIDES |= {"r": "R", "right": "R", "rgt": "R", "rt": "R", "右": "R"}

# The joint that a bone of this name bears, and how surely: an "arm" is the upper arm unless there is an "upper arm", a "leg" may be both.
_STRONG = {
    "shoulder": "upperarm uparm uarm armupper armup humerus shldr bicep biceps 上腕 上臂 大臂",
    "elbow": "forearm farm lowerarm lowarm armlower armlow armfore elbow radius ulna ひじ 肘 前腕 下腕 前臂 小臂",
    "wrist": "hand wrist 手首 手 手腕",
    "hip": "thigh upperleg upleg uleg legupper legup femur もも 太もも 腿 太腿 大腿",
    "knee": "shin calf shank lowerleg lowleg leglower leglow knee tibia crus ひざ 膝 すね 脛 下腿 小腿",
    "ankle": "ankle foot feet 足首 脚",
    "head": "head skull 頭 頭部 あたま 头 头部",
}
_WEAK = {
    "shoulder": {"arm": 2, "腕": 2, "うで": 2, "shoulder": 1, "uppershoulder": 1},
    "elbow": {},
    "wrist": {"fist": 2, "palm": 1},
    "hip": {"hip": 1.5, "leg": 1, "足": 1},
    "knee": {"leg": 1},
    "ankle": {"足": 0.75},
    "head": {},
}
_HELPERS = _split_words("twist roll fk mch tweak helper jiggle str share corrective adjust offset ref proxy dummy aux socket d ex")
_NEUTRAL = _split_words(
    "def org bip j c x bind joint jnt bone b bend stretch skin sk mixamorig base main rig root armature character m arm leg"
)
# A name with one of these is no joint of arms, legs or head, whatever else it says.
_OTHERS = _split_words(
    "finger fingers thumb index middle ring pinky little toe toes ball heel nail ik ikfk pole target tgt pv ctrl ctl control master parent "
    "prop weapon hold end nub tip top rear reverse rev pivot snap vis eye eyes ear jaw mouth lip tongue brow nose cheek teeth hair hat "
    "cloth skirt sleeve cape breast muscle front back wing tail paw hoof fin tentacle claw trunk mesh 親 先 指 つま"
)
_CREATURE = _split_words("wing wings tail paw paws hoof fin fins tentacle claw claws trunk beak feather fetlock 翼 尾 しっぽ 羽")
_TWISTS = "捩捻"  # part of a Japanese name, which is written in one word
_TOKEN = re.compile(r"[LR](?=[UF]Arm)|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_A-Za-z]+")
_COST_OF_HELPER, _COST_OF_OTHER_WORD, _DEFORMS = 2.0, 1.0, 0.25


def _list_words() -> dict[str, dict[str, float]]:
    words: dict[str, dict[str, float]] = {}
    for place, text in _STRONG.items():
        for word in text.split():
            words.setdefault(word, {})[place] = 3.0
    for place, weak in _WEAK.items():
        for word, strength in weak.items():
            words.setdefault(word, {})[place] = strength
    return words


_WORDS = _list_words()


@dataclass(frozen=True)
class BoneLabel:
    """`side` 'R', 'L' or '' · `joints` {limb or 'head': how surely, above 0} · `other` whether it is something else than a joint of these ·
    `creature` whether it belongs to an animal · `number` the numbers in the name, added up: of equal bones the lowest is meant."""

    side: str
    joints: Mapping[str, float]
    other: bool
    creature: bool
    number: int

    @property
    def plain(self) -> bool:
        """Whether the name tells nothing, so that the bone can be anything."""
        return not self.joints and not self.other


def read_labels(names: Sequence[str]) -> list[BoneLabel]:
    """What each of an armature's bones is called."""
    split = [_TOKEN.findall(unicodedata.normalize("NFKC", name)) for name in names]
    count = Counter(token.lower() for tokens in split for token in set(tokens))
    shared = {token for token, times in count.items() if times > 0.6 * len(names)} - _SIDES.keys() - _WORDS.keys()
    return [_read_label([token.lower() for token in tokens], shared) for tokens in split]


def _read_label(tokens: list[str], shared: set[str]) -> BoneLabel:
    number = sum(int(token) for token in tokens if token.isdecimal())
    words = [token for token in tokens if not token.isdecimal() and token not in shared]
    sides = {_SIDES[word] for word in words if word in _SIDES}
    words = [word for word in words if word not in _SIDES]
    if not sides:
        for whole in (words, ["".join(words)]):
            parts = [_split_side(word) for word in whole]
            if any(side for side, _rest in parts):
                sides, words = {side for side, _rest in parts if side}, [rest for _side, rest in parts]
                break
    start, end = _find_longest_word(words)
    rest = words[:start] + words[end:]
    other = any(word in _OTHERS or any(sign in word for sign in _TWISTS) for word in words)
    cost = sum(_COST_OF_HELPER if word in _HELPERS else _COST_OF_OTHER_WORD for word in rest if word not in _NEUTRAL)
    bonus = _DEFORMS if "def" in rest else 0.0
    found = {} if other else _WORDS.get("".join(words[start:end]), {})
    if "neck" in rest:
        found = {}
    joints = {place: strength + bonus - cost for place, strength in found.items() if strength + bonus > cost}
    side = sides.pop() if len(sides) == 1 else ""
    other = other or bool(found) and not joints
    return BoneLabel(side, joints, other, any(word in _CREATURE for word in words), number)


def _split_side(word: str) -> tuple[str, str]:
    """The side that is written together with a word, and the word: "lfemur", "leftarm", "handr", "左腕"."""
    for spelled, side in sorted(_SIDES.items(), key=lambda item: -len(item[0])):
        for rest, begins in ((word.removeprefix(spelled), True), (word.removesuffix(spelled), False)):
            known = rest in _WORDS or (begins and spelled in "左右" and bool(rest))
            if rest != word and known and word not in _WORDS:
                return side, rest
    return "", word


def _find_longest_word(words: list[str]) -> tuple[int, int]:
    """Which of some words, joined, name a joint: from and to, the most words, then the surest; nothing when none do."""
    runs = [(start, end) for end in range(1, len(words) + 1) for start in range(end) if "".join(words[start:end]) in _WORDS]
    return max(runs, key=lambda run: (run[1] - run[0], max(_WORDS["".join(words[slice(*run)])].values())), default=(0, 0))
