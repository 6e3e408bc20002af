"""What is said of packages, machine and TensorFlow, on made-up ones and on the real ones."""

import configparser
import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys

import pytest

import official_yolact_runtime
from official_yolact.cli import main
from official_yolact.environment import examination
from official_yolact.environment import machine
from official_yolact.environment import observation
from official_yolact.environment import packages
from official_yolact.environment import precision
from official_yolact.environment import probe

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
GOOD = {
    "absl-py": "2.1.0",
    "google-crc32c": "1.8.0",
    "h5py": "3.14.0",
    "matplotlib": "3.10.0",
    "numpy": "2.4.6",
    "official-yolact-runtime": official_yolact_runtime.__version__,
    "opencv-python-headless": "5.0.0",
    "Pillow": "13.0.0",
    "protobuf": "6.31.0",
    "pycocotools": "2.0.11",
    "PyYAML": "6.0.3",
    "setuptools": "80.9.0",
    "tensorflow": "2.20.0",
    "tf_keras": "2.20.1",
    "tf-models-official": "2.20.0",
    "keras": "3.15.1",
}


def install(folder, versions, files=None):
    """Write what pip writes beside an installed package."""
    for name, version in versions.items():
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        own = (files or {}).get(name, [f"{name.replace('-', '_')}/__init__.py"])
        (info / "RECORD").write_text("".join(f"{path},,\n" for path in [*own, f"{info.name}/RECORD"]))
    return list(importlib.metadata.distributions(path=[str(folder)]))


def told(observations):
    return [(one.status, one.message, one.cure) for one in observations if one.status != observation.OK]


def test_the_requirements_are_those_of_the_package():
    parser = configparser.ConfigParser()
    parser.read(CHECKOUT / "setup.cfg")
    lines = parser["options"]["install_requires"].split("\n")
    stated = dict(line.partition(" ")[::2] for line in lines if line)
    assert stated == packages.REQUIREMENTS


def test_good_packages_are_one_line(tmp_path):
    [found] = packages.check_versions(install(tmp_path, GOOD))
    assert found.status == observation.OK
    assert "tensorflow 2.20.0" in found.message


@pytest.mark.parametrize(
    ("changes", "status", "message", "cure"),
    [
        ({"tensorflow": "2.19.1"}, "FAIL", "tensorflow is 2.19.1, expected ~=2.20.0", "'tensorflow~=2.20.0'"),
        ({"official-yolact-runtime": "0.0.9"}, "FAIL", "official-yolact-runtime is 0.0.9, expected ==", "=="),
        ({"official-yolact-runtime": None}, "FAIL", "official-yolact-runtime is not installed", "=="),
        ({"tensorflow": "2.21.0"}, "FAIL", "tensorflow is 2.21.0", "'tensorflow~=2.20.0'"),
        ({"tensorflow": None}, "FAIL", "tensorflow is not installed", "'tensorflow~=2.20.0'"),
        ({"tf_keras": "2.19.0"}, "FAIL", "tf-keras is 2.19.0", "'tf-keras~=2.20.0'"),
        ({"tf-models-official": "2.18.0"}, "FAIL", "tf-models-official is 2.18.0", "'tf-models-official~=2.20.0'"),
        ({"setuptools": "82.0.0"}, "WARN", "setuptools is 82.0.0, expected <82", "'setuptools<82'"),
        ({"pycocotools": None}, "FAIL", "pycocotools is not installed", "pip install 'pycocotools'"),
        ({"keras": "2.15.0"}, "FAIL", "keras is 2.15.0", "keras>=3"),
        ({"tensorflow-text": "2.19.0"}, "FAIL", "tensorflow-text is 2.19.0", "'tensorflow-text~=2.20.0'"),
    ],
)  # fmt: skip
def test_a_wrong_version_is_told_with_the_command_that_mends_it(tmp_path, changes, status, message, cure):
    versions = {name: version for name, version in {**GOOD, **changes}.items() if version}
    [(found, text, mending)] = told(packages.check_versions(install(tmp_path, versions)))
    assert (found, message in text, cure in mending) == (status, True, True), (text, mending)


@pytest.mark.parametrize("name", ["tensorflow-cpu", "tensorflow-tpu"])
def test_another_tensorflow_stands_in_for_the_usual_one(tmp_path, name):
    versions = {**GOOD, name: "2.20.0"}
    del versions["tensorflow"]
    assert told(packages.check_versions(install(tmp_path, versions))) == []


@pytest.mark.parametrize(
    ("versions", "files", "status", "says"),
    [
        ({"tensorflow": "2.20.0", "tensorflow-tpu": "2.20.0"}, "tensorflow/python/ops.py", "FAIL", "TPU host"),
        ({"tensorflow": "2.20.0", "tensorflow-cpu": "2.20.0"}, "tensorflow/python/ops.py", "FAIL", "tensorflow"),
        ({"tensorflow": "2.20.0", "tensorflow-intel": "2.20.0"}, "tensorflow/a.so", "FAIL", "tensorflow"),
        ({"opencv-python": "4.1", "opencv-python-headless": "5.0"}, "cv2/cv2.abi3.so", "WARN", "opencv-python-headless"),
        ({"alpha": "1", "beta": "2"}, "shared_module/a.py", "WARN", "alpha"),
    ],
)  # fmt: skip
def test_packages_that_write_over_one_another_are_found(tmp_path, versions, files, status, says):
    listed = {name: [files, f"only_{name}/a.py"] for name in versions}
    [(found, message, cure)] = told(packages.check_overlaps(install(tmp_path, versions, listed)))
    assert found == status
    assert all(name in message for name in versions)
    assert files in message
    assert says in cure


def test_what_many_packages_have_by_one_name_is_no_overlap(tmp_path):
    same = ["tests/__init__.py", "LICENSE", "x/__pycache__/a.pyc", "../../bin/run"]
    listed = {"alpha": same, "beta": same}
    assert told(packages.check_overlaps(install(tmp_path, {"alpha": "1", "beta": "2"}, listed))) == []


def test_a_package_that_is_installed_twice_is_found(tmp_path):
    found = install(tmp_path, {"alpha": "1"}) + install(tmp_path / "more", {"alpha": "2"})
    assert any(
        "alpha is installed twice" in message for _, message, _ in told(packages.check_overlaps(found))
    )


@pytest.mark.parametrize(
    ("version", "status"), [((3, 10, 1), "FAIL"), ((3, 11, 0), "OK"), ((3, 14, 0), "FAIL")]
)
def test_an_interpreter_without_wheels_is_refused(version, status):
    [found] = packages.check_python(version)
    assert found.status == status


def make_proc(folder, cgroup="0::/box/inner\n", flags="avx2 amx_bf16", kilobytes=16 * 2**20):
    (folder / "self").mkdir(parents=True)
    (folder / "self" / "cgroup").write_text(cgroup)
    (folder / "cpuinfo").write_text(f"processor : 0\nflags : fpu {flags}\n")
    (folder / "meminfo").write_text(f"MemTotal:  {kilobytes} kB\n")
    return folder


def test_the_limits_of_a_container_and_of_those_around_it_are_read(tmp_path):
    proc, root = make_proc(tmp_path / "proc"), tmp_path / "cgroup"
    (root / "box" / "inner").mkdir(parents=True)
    (root / "box" / "inner" / "cpu.max").write_text("max 100000\n")
    (root / "box" / "cpu.max").write_text("150000 100000\n")
    (root / "box" / "memory.max").write_text(f"{3 * 2**30}\n")
    (root / "box" / "inner" / "memory.max").write_text("max\n")
    assert machine.read_cpu_quota(proc, root) == 1.5
    assert machine.read_memory_limit(proc, root) == 3 * 2**30


def test_limits_of_the_first_version_of_control_groups_are_read_too(tmp_path):
    proc = make_proc(tmp_path / "proc", "4:memory:/box\n3:cpu,cpuacct:/box\n")
    for controller, name, value in (
        ("cpu", "cpu.cfs_quota_us", 50_000),
        ("cpu", "cpu.cfs_period_us", 100_000),
        ("memory", "memory.limit_in_bytes", 2**31),
    ):
        folder = tmp_path / "cgroup" / controller / "box"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{value}\n")
    assert machine.read_cpu_quota(proc, tmp_path / "cgroup") == 0.5
    assert machine.read_memory_limit(proc, tmp_path / "cgroup") == 2**31


def test_no_limits_and_no_files_are_no_limit(tmp_path):
    assert machine.read_cpu_quota(tmp_path, tmp_path) is None
    assert machine.read_memory_limit(tmp_path, tmp_path) is None


@pytest.mark.parametrize(("gibibytes", "status"), [(1, "FAIL"), (3, "WARN"), (64, "OK")])
def test_too_little_memory_is_told(tmp_path, monkeypatch, gibibytes, status):
    monkeypatch.setattr(machine, "read_memory_limit", lambda proc: None)
    [found] = machine.check_memory(make_proc(tmp_path, kilobytes=gibibytes * 2**20))
    assert found.status == status
    assert bool(found.cure) == (status != "OK")


@pytest.mark.parametrize(
    ("variables", "status", "message"),
    [
        ({"TF_CONFIG": "{"}, "FAIL", "TF_CONFIG is no cluster"),
        ({"TF_CONFIG": "[]"}, "FAIL", "TF_CONFIG is no cluster"),
        (
            {"TF_CONFIG": '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}'},
            "WARN",
            "this process worker 1 of 2 hosts",
        ),
        ({"CUDA_VISIBLE_DEVICES": ""}, "WARN", "every GPU is hidden"),
        ({"CUDA_VISIBLE_DEVICES": "1"}, "WARN", "only GPUs 1 are seen"),
        ({"LD_LIBRARY_PATH": "/usr/local/cuda-11/lib64"}, "WARN", "other CUDA libraries"),
        ({"https_proxy": "http://p:1"}, "WARN", "no_proxy excepts no host"),
        ({"OMP_NUM_THREADS": "1"}, "WARN", "limits the threads"),
        ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "WARN", "are slow"),
        ({"XLA_FLAGS": "--xla_dump_to=x"}, "WARN", "how steps are compiled"),
    ],
)
def test_variables_that_surprise_are_told(variables, status, message):
    [(found, text, cure)] = told(machine.check_variables(variables))
    assert (found, message in text) == (status, True), text
    assert cure


@pytest.mark.parametrize(
    "variables", [{}, {"https_proxy": "http://p:1", "no_proxy": "localhost"}, {"LD_LIBRARY_PATH": "/opt/lib"}]
)
def test_usual_variables_are_no_surprise(variables):
    assert told(machine.check_variables(variables)) == []


def make_devices(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("variables", "names", "told"),
    [
        ({"TPU_NAME": "mine"}, ["accel1", "accel0"], "TPU_NAME=mine; 2 chips: {0}/accel0, {0}/accel1"),
        ({}, ["accel0"], "no TPU variable is set; 1 chips: {0}/accel0"),
        ({"TPU_ACCELERATOR_TYPE": "v5e-4"}, ["vfio/0", "vfio/10", "vfio/2", "vfio/vfio"], "3 chips: {0}/vfio/0, {0}/vfio/2, {0}/vfio/10"),
        ({"TPU_NAME": "mine"}, [], "TPU_NAME=mine; no chip is shown in /dev"),
    ],
)  # fmt: skip
def test_the_chips_of_a_tpu_host_are_listed(variables, names, told, tmp_path):
    [found] = machine.check_tpu(variables, make_devices(tmp_path, *names))
    assert (found.topic, found.status) == ("tpu", observation.OK)
    assert told.format(tmp_path) in found.message
    assert "distribution_strategy: tpu" in found.cure


def test_other_machines_are_no_tpu_hosts(tmp_path):
    # The devices of a virtual machine's graphics card and of a laptop's own accelerator.
    assert list(machine.check_tpu({}, make_devices(tmp_path, "vfio/3", "accel/accel0"))) == []


def test_on_a_tpu_host_nothing_is_said_of_the_cpu():
    found = {
        "errors": {},
        "tensorflow": {"version": "2.20.0", "path": "/x/tensorflow/__init__.py", "cuda": False},
        "gpus": [],
        "gflops": {"float32": 400.0, "bfloat16": 9.0},
    }
    listed = list(probe.judge(0, json.dumps(found), "", is_tpu_host=True))
    assert [one.topic for one in listed] == ["tensorflow", "precision", "tensorboard"]
    assert "use bfloat16" in listed[1].message


def run_fake(folder, monkeypatch, program, timeout=30.0):
    (folder / "tensorflow").mkdir()
    (folder / "tensorflow" / "__init__.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return told(probe.check_tensorflow(timeout))


@pytest.mark.parametrize(
    ("program", "message", "cure"),
    [
        ("raise ImportError('libcublas.so.12: cannot open')", "ImportError: libcublas.so.12", "pip install"),
        ("import os; os.kill(os.getpid(), 4)", "ended by SIGILL", "another machine"),
        ("import os; os.kill(os.getpid(), 11)", "ended by SIGSEGV", "force-reinstall"),
        ("import os; os._exit(3)", "ended with 3", "force-reinstall"),
        ("raise SystemExit(1)", "SystemExit", "pip install"),
        ("", "AttributeError", "pip install"),
    ],
)
def test_a_broken_tensorflow_is_told_and_takes_nothing_down(tmp_path, monkeypatch, program, message, cure):
    [(status, text, mending)] = run_fake(tmp_path, monkeypatch, program)
    assert (status, message in text, cure in mending) == ("FAIL", True, True), (text, mending)


def test_a_tensorflow_that_hangs_is_given_up(tmp_path, monkeypatch):
    [(status, text, _)] = run_fake(tmp_path, monkeypatch, "import time; time.sleep(60)", timeout=1.0)
    assert (status, text) == ("FAIL", "import tensorflow has not ended within 1 s")


def test_parts_that_fail_are_told_beside_those_that_work():
    found = {
        "errors": {"cv2": "ImportError: libGL.so.1", "tensorboard": "ModuleNotFoundError: No module named 'pkg_resources'"},
        "tensorflow": {"version": "2.20.0", "path": "/x/tensorflow/__init__.py", "cuda": False},
        "gpus": [{"name": "T4", "capability": [7, 5]}],
        "gflops": {"float32": 4000.0, "bfloat16": 900.0, "float16": 20000.0},
    }  # fmt: skip
    listed = list(probe.judge(0, f"noise\n{json.dumps(found)}\n", ""))
    by_topic = {one.topic: one for one in listed}
    assert [one.status for one in listed] == ["OK", "FAIL", "OK", "OK", "WARN"]
    assert "libGL.so.1" in by_topic["packages"].message
    assert "T4" in by_topic["gpu"].message
    assert "capability 7.5" in by_topic["gpu"].message
    assert "float16 with loss_scale: dynamic" in by_topic["precision"].message
    assert by_topic["tensorboard"].cure == "pip install 'setuptools<82'"


@pytest.mark.parametrize(
    ("capabilities", "instructions", "rates", "advice"),
    [
        ([(8, 0), (9, 0)], [], {}, "bfloat16"),
        ([(8, 0), (7, 0)], ["amx_bf16"], {}, "float16"),
        ([(6, 1)], ["amx_bf16"], {}, "float32"),
        ([], ["amx_bf16", "avx512_bf16"], {"float32": 1.0, "bfloat16": 4.0}, "use bfloat16 (AMX)"),
        ([], ["avx512_bf16"], {"float32": 1.0, "bfloat16": 4.0}, "use bfloat16 (AVX-512 BF16)"),
        ([], ["avx512_bf16"], {"float32": 4.0, "bfloat16": 1.0}, "was not faster"),
        ([], [], {"float32": 1.0, "bfloat16": 4.0}, "use bfloat16 (measured)"),
        ([], ["avx2"], {"float32": 4.0, "bfloat16": 1.0}, "float32 (neither AMX nor AVX-512 BF16"),
    ],
)
def test_the_precision_that_suits_the_devices_is_named(capabilities, instructions, rates, advice):
    assert advice in precision.advise(capabilities, instructions, rates)


@pytest.mark.parametrize(
    ("statuses", "code"), [([], 0), (["OK"], 0), (["OK", "WARN"], 1), (["FAIL", "WARN"], 2)]
)
def test_the_exit_code_is_the_worst_finding(statuses, code, monkeypatch, capsys):
    made = [observation.Observation("x", status, "found", "do it") for status in statuses]
    monkeypatch.setattr(examination, "examine", lambda: iter(made))
    assert main.main(["doctor"]) == code
    assert capsys.readouterr().out.count("found") == len(statuses)
    assert main.main(["doctor", "--json"]) == code
    printed = json.loads(capsys.readouterr().out)
    assert printed["status"] == ("OK", "WARN", "FAIL")[code]
    assert [one["cure"] for one in printed["observations"]] == ["do it"] * len(statuses)


def test_this_environment_is_usable_and_the_parent_imports_no_tensorflow():
    program = (
        "import sys; from official_yolact.cli import main; code = main.main(['doctor', '--json']);"
        "print(code, 'tensorflow' in sys.modules)"
    )
    path = os.pathsep.join(one for one in sys.path if one)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    report, last = done.stdout.splitlines()
    topics = {one["topic"] for one in json.loads(report)["observations"]}
    assert topics >= {
        "python",
        "packages",
        "overlap",
        "cpu",
        "memory",
        "disk",
        "files",
        "tensorflow",
        "precision",
    }
    assert last in ("0 False", "1 False"), report
