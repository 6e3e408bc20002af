import pytest

from official_yolact.evaluation import groundtruth
from official_yolact.serving import sources
from official_yolact_runtime.images import finding


@pytest.fixture
def folder(tmp_path):
    for name in ("b.jpg", "a.PNG", "notes.txt", "sub/c.jpg", "[1].jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "photos"


def names(paths, folder):
    return [path.removeprefix(f"{folder}/") for path in paths]


def test_folders_give_their_pictures_sorted(folder):
    assert names(sources.find_pictures([str(folder)]), folder) == ["[1].jpg", "a.PNG", "b.jpg"]


def test_files_and_patterns_come_in_their_order_each_once(folder):
    given = [str(folder / "b.jpg"), str(folder / "*.[jP]*"), str(folder / "**/c.jpg"), str(folder)]
    assert names(sources.find_pictures(given), folder) == ["b.jpg", "[1].jpg", "a.PNG", "sub/c.jpg"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(folder):
    assert names(sources.find_pictures([str(folder / "[1].jpg")]), folder) == ["[1].jpg"]


def test_sources_that_are_nothing_are_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.jpg: no such picture or folder"):
        sources.find_pictures([str(folder / "none.jpg")])
    with pytest.raises(ValueError, match="no picture matches"):
        sources.find_pictures([str(folder / "*.gif")])
    with pytest.raises(ValueError, match="holds no picture"):
        sources.find_pictures([str(tmp_path)])


def test_equal_names_get_numbers():
    given = ["x/a.jpg", "y/a.jpg", "y/A.png", "a-2.jpg", "b.jpg", ".jpg"]
    assert finding.name_outputs(given) == ["a.jpg", "a-2.jpg", "A-3.jpg", "a-2-2.jpg", "b.jpg", ".jpg.jpg"]


def test_annotated_images_are_found_with_their_stated_size(folder):
    images = {5: {"file_name": "b.jpg", "height": 3, "width": 4}, 6: {"file_name": "sub/c.jpg"}}
    listed = sources.list_annotated(images, str(folder), "a.json")
    assert [(one.image_id, one.size) for one in listed] == [(5, (3, 4)), (6, None)]


@pytest.mark.parametrize(
    ("file_name", "error", "says"),
    [
        ("none.jpg", FileNotFoundError, r"none\.jpg: no such file, but a\.json lists it as image 5"),
        ("../secret.jpg", ValueError, "leads out of"),
        ("/etc/hostname", ValueError, "leads out of"),
        (None, ValueError, "image 5 has file_name None"),
        ("", ValueError, "image 5 has file_name ''"),
    ],
)
def test_files_that_cannot_be_meant_are_refused(folder, file_name, error, says):
    with pytest.raises(error, match=says):
        sources.list_annotated({5: {"file_name": file_name}}, str(folder), "a.json")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder of images"):
        sources.list_annotated({}, str(tmp_path / "nowhere"), "a.json")


def test_a_list_of_images_needs_no_annotations(tmp_path):
    path = tmp_path / "info.json"
    path.write_text('{"images": [{"id": "12", "file_name": "a.jpg"}]}')
    assert list(groundtruth.load_images(str(path))) == [12]
    path.write_text("[]")
    with pytest.raises(ValueError, match="no list 'images'"):
        groundtruth.load_images(str(path))
