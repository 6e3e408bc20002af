"""The table of what can be found: adding a check is a row here and a function that yields its code."""

# ruff: noqa: E501  a row a line

from __future__ import annotations

import dataclasses

ERROR = "error"
WARNING = "warning"
INFO = "info"
SEVERITIES = (ERROR, WARNING, INFO)


@dataclasses.dataclass(frozen=True)
class Code:
    """A kind of fault.

    Attributes:
      code: D and two digits: 00-19 the data set as a whole, 20-39 structure and ids, 40-59 files,
        60-79 geometry.
      severity: `error`: conversion refuses it or training learns something false; `warning`: training
        loses or bends something; `info`: nothing is lost, but it is good to know.
      title: what is the case.
      consequence: for training.
      cure: option or act that repairs it.
    """

    code: str
    severity: str
    title: str
    consequence: str
    cure: str


_DROP = "--fix removes them"
_HAND = "by hand"

_ROWS = (
    # The data set as a whole.
    ("D00", ERROR, "nothing to learn from: no images, annotations or categories", "training learns nothing", "export the annotations again"),
    ("D01", ERROR, "annotation ids occur more than once", "evaluation and tools keep only the last of them", "--fix gives new ids"),
    ("D02", ERROR, "annotations of images that are not listed", "they are lost", _DROP),
    ("D03", ERROR, "annotations without segmentation", "there is no mask to learn", "convert with --missing-masks=skip or box, draw the masks, or --fix removes them"),
    ("D04", ERROR, "height and width are not those of the file", "boxes and masks are scaled or lie wrongly", "--fix takes the file's size where the annotations fit in it"),
    ("D05", ERROR, "category_id that categories does not list", "the class is unknown", "add the category, or --fix removes the annotations"),
    ("D06", ERROR, "class names differ between the splits", "a class has examples in one split only", "give both files the same categories"),
    ("D07", WARNING, "single objects seem to be marked as crowd", "training ignores crowds: it sees almost no objects", "convert with --crowd=as-instance, or --fix sets iscrowd to 0"),
    ("D08", WARNING, "the same object listed twice", "it counts double in training, and perfect detections score AP 50", "--fix removes those of the same class and the same mask to the pixel, and keeps the first; the others " + _HAND),
    ("D09", WARNING, "the same object listed under two classes", "training learns both from one mask: neither gets a high score", "remove one of them " + _HAND),
    ("D10", WARNING, "images with more objects than the padding", "the smallest of them are cut off", "raise task.train_data.parser.max_num_instances"),
    ("D11", INFO, "objects too small at the input size", "the augmentation drops boxes of at most 4 input pixels", "a larger input size, or yolact data tile"),
    ("D12", ERROR, "the same photo in both splits", "scores measure memory", "split again by group, see yolact data split"),
    ("D13", WARNING, "almost the same photo in both splits (dHash)", "scores are too good", "split again by group, see yolact data split"),
    ("D14", WARNING, "one photo under several names (sha256)", "it counts several times, perhaps with other objects each time", "keep one of them"),
    ("D15", INFO, "rare classes", "fewer than 10 objects, or 1000 times fewer than the most frequent class: they are hardly learned", "more photos of them, or merge classes"),
    ("D16", WARNING, "classes without any object", "a dead class costs accuracy and says nothing", "remove the category, or add objects"),
    ("D17", INFO, "classes that the default anchors cover badly", "less than 70 % of their boxes reach IoU 0.5 with an anchor: they are matched by force only", "see yolact data stats for scales and ratios"),
    ("D18", WARNING, "a synthetic root category: only a supercategory, of whose name no class has objects", "one dead class", "--fix removes it"),
    ("D19", INFO, "images without any object", "they teach background only; a few are good", "nothing, if they are truly empty"),
    # Structure and ids.
    ("D20", ERROR, "image ids occur more than once", "objects are drawn onto the wrong photo", "--fix removes entries that say the same twice, and images whose objects cannot be told apart"),
    ("D21", ERROR, "category ids occur more than once", "the last name wins", "--fix removes entries that say the same twice; otherwise " + _HAND),
    ("D22", ERROR, "two image entries of one file", "each has half of the objects, the other half is background", "--fix joins those that state one size"),
    ("D23", INFO, "ids, sizes, run lengths or coordinates as text or fractions", "other tools fail on them", "--fix writes them as COCO does"),
    ("D24", ERROR, "id missing or unusable", "the entry cannot be referred to", "--fix numbers annotations, removes images and categories"),
    ("D25", ERROR, "the same class names with other ids than the other split", "class numbers follow ids: every prediction is of the wrong class", "--fix takes the ids of --against"),
    ("D26", INFO, "category ids begin with 0", "0 is the background elsewhere; here ids are mapped", "nothing"),
    ("D27", INFO, "category ids have gaps", "here ids are mapped to 1, 2, 3, ...", "nothing"),
    ("D28", INFO, "categories are not in the order of their ids", "here classes follow ascending ids, elsewhere perhaps the list", "nothing"),
    ("D29", ERROR, "one class name under several ids", "a class is split into several", "--fix joins them"),
    ("D30", ERROR, "category without a usable name", "the class has no name", "--fix writes a number, or one name in a list, as text, and category_ID for others"),
    ("D31", ERROR, "entries that are no objects", "they cannot be read", _DROP),
    ("D32", ERROR, "image_id or category_id missing or unusable", "the annotation belongs nowhere", _DROP),
    ("D33", INFO, "iscrowd is absent", "taken as 0", "--fix writes 0"),
    ("D34", ERROR, "iscrowd is neither 0 nor 1", "unclear whether it is one object", "--fix sets 0"),
    ("D35", INFO, "annotations are not grouped by image", "nothing here", "nothing"),
    ("D36", INFO, "annotation id 0", "pycocotools takes 0 for no match", "--fix gives a new id"),
    ("D37", WARNING, "ids that are text or beyond 64 bits", "COCO's ids are integers: evaluation needs them", "--fix numbers them"),
    ("D38", WARNING, "numbers that are NaN or infinite in fields that are not read", "JSON has no such numbers: other tools refuse the file", "--fix writes null"),
    ("D39", WARNING, "class names that differ in case, spaces or Unicode form only", "one class is split into several", "convert with the --rename that is shown, or correct the names"),
    # Files.
    ("D40", ERROR, "image file not found", "the image is lost", "correct --images or file_name; --fix removes them"),
    ("D41", WARNING, "image file found under another name only", "other tools find the exact name only", "--fix writes the name that was found"),
    ("D42", ERROR, "file_name leads out of the image folder", "any file could get into the data set", "copy the image into the folder; --fix removes them"),
    ("D43", ERROR, "image cannot be read or is damaged", "the image is lost, or teaches false pixels", "replace the file; --fix removes them"),
    ("D44", ERROR, "image is cut off", "part of it would be grey", "copy the file again; --fix removes them"),
    ("D45", WARNING, "the format is not what the name says", "some tools fail; conversion stores the true format", "rename the file"),
    ("D46", INFO, "EXIF orientation, annotated as stored", "conversion keeps the pixels as stored, as the annotations have it", "look at some with yolact data show"),
    ("D47", ERROR, "too many pixels", "one image could take gigabytes; conversion refuses it", "scale the image down; --fix removes them, or the size where it is only stated"),
    ("D48", INFO, "format, colours or depth that training does not take as they are", "conversion stores it anew as PNG or JPEG", "nothing"),
    ("D49", INFO, "EXIF orientation", "conversion turns the image upright, which fits the annotations", "nothing"),
    ("D50", INFO, "height and width are absent", "taken from the file", "--fix writes them"),
    ("D51", ERROR, "height or width is unusable", "boxes cannot be scaled", "--fix takes the file's"),
    ("D52", ERROR, "file_name missing or unusable", "there is no image", _DROP),
    ("D53", INFO, "photos in the folder that are not listed", "they are not used", "annotate them or leave them"),
    ("D54", WARNING, "tiles, copies or frames of one photo or video in both splits, by their names", "scores measure memory", "join both files with yolact data merge, and split again with the --group-by that is shown"),
    ("D55", WARNING, "16 bits a channel, of which fewer are used", "conversion stores them as dark as that", "convert, predict and evaluate with --bit-depth"),
    ("D56", INFO, "picture files of a kind that is not read", "they are not used", "convert them to JPEG or PNG"),
    # Geometry.
    ("D60", ERROR, "segmentation that is none", "no mask can be drawn", "--fix removes the parts, or the annotation when none is left"),
    ("D61", ERROR, "numbers that are NaN or infinite", "the loss becomes NaN", "--fix takes box and area from the mask, removes polygons"),
    ("D62", ERROR, "coordinates far outside the image", "pycocotools crashes on them", "--fix takes the box from the mask, removes polygons"),
    ("D63", INFO, "boxes that reach over the border by up to 2 pixels", "clipped", "--fix clips them"),
    ("D64", ERROR, "objects wholly outside the image", "nothing of them is seen", _DROP),
    ("D65", WARNING, "polygons of fewer than three points", "they enclose nothing; the part is dropped", _DROP),
    ("D66", WARNING, "polygon of points, in no list or in several, or run-length code in a list or without size", "tools read it as something else", "--fix writes it as COCO does"),
    ("D67", ERROR, "run-length code of another size than the image", "the mask lies wrongly", "encode the mask at the image's size; --fix removes them"),
    ("D68", ERROR, "run lengths that do not cover the image or cannot be read", "pycocotools reads foreign memory", "encode the mask again; --fix removes them"),
    ("D69", WARNING, "masks without a single pixel", "there is nothing to learn", _DROP),
    ("D70", ERROR, "bbox that is not four numbers", "there is no box", "--fix takes it from the mask"),
    ("D71", INFO, "bbox is absent", "taken from the mask", "--fix writes it"),
    ("D72", ERROR, "box without area", "it can match no anchor", "--fix takes it from the mask"),
    ("D73", WARNING, "box disagrees with its mask", "box and mask teach different places", "--fix takes it from the mask"),
    ("D74", WARNING, "area is that of the box", "AP for small, medium and large is wrong", "--fix takes it from the mask"),
    ("D75", INFO, "area is absent", "taken from the mask", "--fix writes it"),
    ("D76", WARNING, "area disagrees with the mask or is not a number", "AP for small, medium and large is wrong", "--fix takes it from the mask"),
    ("D77", ERROR, "outline longer than the image has room for", "drawing it takes gigabytes", _DROP),
    ("D78", WARNING, "boxes that reach over the border by more than 2 pixels", "clipped; are height and width swapped, or is the image a scaled copy?", "--fix clips them"),
    ("D79", INFO, "masks that reach over the border by more than 2 pixels", "drawn as far as the image goes", "nothing"),
)  # fmt: skip

CODES = {row[0]: Code(*row) for row in _ROWS}
"""Code to row, in the order of the report."""
