"""Random command lines: whatever is typed ends with 0, 1 or 2, without a traceback, naming the thing.

`make fuzz` tries more; `YOLACT_FUZZ_SEED` draws others.
"""

import json
import os
import random
import shutil

import fuzzing
import numpy as np
import pytest
from PIL import Image

from official_yolact.cli import main

COUNT = fuzzing.COUNT
SEED = int(os.environ.get("YOLACT_FUZZ_SEED", "7"))

COMMANDS = [
    "data check good.json --images photos --json",
    "data check bad.json --no-images --html out/page.html",
    "data check flawed.json --no-images",
    "data check bad.json --no-images --fix -o out/fixed.json",
    "data check good.json --no-images --against bad.json --input-size 64 64",
    "data stats good.json --images photos --json",
    "data split good.json --output out/parts --fractions train=0.5,val=0.5 --seed 3",
    "data show good.json --images photos --output out/shown --count 1",
    "data convert good.json --images photos --output out/records --split val --shards 1 --workers 1",
    "data labelme labelme --output out/lm.json",
    "data via list.json --images photos --output out/via.json --class-key fruit",
    "data labelstudio list.json --images photos --output out/ls.json --annotator 3 --predictions",
    "data yolo yolo --output out/yolo.json --split train",
    "data masks masks --images photos --output out/masks.json",
    "data init --train good.json --val good.json --images photos --output out/my.yaml --epochs 2 --batch 4",
    "config check yolact_tiny_shapes task.model.num_classes=4 --json",
    "config check my.yaml trainer.train_steps=7",
    "config show yolact_tiny_shapes",
    "predict model photos --output out/predicted --score-threshold 0.5 --max-detections 7",
    "eval model --images photos --annotations good.json --batch-size 1 --nms fast",
    "eval --detections results.json --annotations good.json --output out/eval",
    "import-weights weights.pth --output out/imported",
    "weights list --json",
    "weights get imagenet/mobilenetv2-0.5 --output out/backbone",
    "train my.yaml --model_dir out/run --mode eval",
]
KEPT = ("photos", "labelme", "yolo", "masks", "model")
WORDS = [
    "", " ", "-", "--", "-1", "0", "nan", "-inf", "1e999", "9" * 5000, "1" + "0" * 30, "0x10", "é", "\udcff", "\0", "a\nb",
    "\x1b[2J", "x" * 300, "./photos/..", "/dev/null/x", "/dev/null", "/proc/self/mem/x", "~", "*", "[", "{", "}", "a=b", "a:b", "=", "==", "maybe", "true",
    "null", "photos", "out", "good.json", "bad.json", "broken.json", "binary", "list.json", "empty", "link", "model",
    "task.model.input_size=[1]", "task.model=7", "trainer.train_steps=", "task..x=1", "--json", "--help", "--version",
    "--output", "--images", "--classes", "--rename", "A=", "--ids", "1,2,x", "--leave", "D01", "--fix", "--headers", "--force",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory of all commands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("YOLACT_DEBUG", raising=False)
    monkeypatch.setenv("OFFICIAL_YOLACT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OFFICIAL_YOLACT_WEIGHTS_URL", "none://nowhere")
    for name in KEPT:
        (tmp_path / name).mkdir()
    for name in ("a", "b"):
        Image.fromarray(np.full((16, 24, 3), 90, np.uint8)).save(tmp_path / "photos" / f"{name}.jpg")
    images = [{"id": i, "file_name": f"{name}.jpg", "height": 16, "width": 24} for i, name in enumerate("ab")]
    box = {"bbox": [2, 2, 8, 8], "segmentation": [[2, 2, 10, 2, 10, 10, 2, 10]], "area": 64, "iscrowd": 0}
    annotations = [{"id": i, "image_id": i, "category_id": 1, **box} for i in range(2)]
    good = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "Äpfel"}]}
    bad = {**good, "annotations": [{**annotations[0], "bbox": "x"}, {"id": 0}, 7, None]}
    far = {**annotations[0], "bbox": [-9, 2, 80, 8]}
    write = {
        "good": good,
        "bad": bad,
        "flawed": {**good, "annotations": [far, far]},
        "list": [1, None, "x"],
        "results": [{**annotations[0], "score": 0.5}],
    }
    for name, content in write.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "broken.json").write_text('{"images": [')
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / "empty").touch()
    (tmp_path / "weights.pth").write_bytes(b"PK\x03\x04 no zip")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "my.yaml").write_text("experiment: yolact_tiny_shapes\ntrainer:\n  train_steps: 9\n")
    return tmp_path


def mutate(rng, words):
    """Change a command line in up to two places."""
    words = list(words)
    for _ in range(rng.randint(0, 2)):
        place = rng.randrange(len(words) + 1)
        kind = rng.choice(["replace", "replace", "insert", "drop", "swap", "spoil", "double"])
        if kind == "insert" or not words:
            words.insert(place, rng.choice(WORDS))
            continue
        place = min(place, len(words) - 1)
        if kind == "replace":
            words[place] = rng.choice(WORDS)
        elif kind == "drop":
            del words[place]
        elif kind == "swap":
            other = rng.randrange(len(words))
            words[place], words[other] = words[other], words[place]
        elif kind == "spoil":
            at = rng.randrange(len(words[place]) + 1)
            words[place] = words[place][:at] + rng.choice(WORDS) + words[place][at + 1 :]
        else:
            words.insert(place, words[place])
    return words


def restore(folder, inputs):
    """Give each command the same inputs, and no output of another."""
    for name in os.listdir(folder):
        if not (folder / name).is_symlink() and (folder / name).is_dir() and name not in KEPT:
            shutil.rmtree(folder / name)
    for path, content in inputs.items():
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)


def names_something(words, told):
    """Tell whether a message holds a word that was typed, or the name of an option or a key."""
    typed = [part for word in words for part in (word, word.partition("=")[0]) if part]
    # Control characters and what the terminal has no letter for come as escapes.
    forms = [form for part in typed for form in (part[:40], repr(part[:40])[1:-1])]
    return any(form in told for form in forms) or "--" in told


def test_any_command_line_ends_with_a_verdict_and_a_message_that_names_the_thing(folder, capsys):
    rng = random.Random(SEED)
    inputs = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    seen = {0: 0, 1: 0, 2: 0}

    def read(words):
        code = main.main(words)
        out, err = capsys.readouterr()
        told = out + err
        seen[code] += 1
        assert "Traceback" not in told
        assert "a fault of this program" not in told
        assert code != 2 or names_something(words, told), told[-400:]
        restore(folder, inputs)
        return fuzzing.REFUSED if code else fuzzing.READ

    # What the commands import is not what an input costs.
    assert main.main(["config", "check", "yolact_tiny_shapes"]) == 0
    lines = (mutate(rng, COMMANDS[index % len(COMMANDS)].split()) for index in range(COUNT))
    fuzzing.hold("command lines", lines, read)
    if COUNT >= 200:
        assert min(seen.values()) > 0, seen
