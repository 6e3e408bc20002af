"""A small `report.json` with every field filled, for what shows or compares reports."""

from __future__ import annotations

from typing import Any

import numpy as np

from official_yolact.reporting import report_schema as schema
from official_yolact_runtime import run_lengths


def make_report(names: tuple[str, ...] = ("peanut", "walnut"), num_images: int = 3) -> schema.Report:
    """Make a report of boxes and masks; `names` are those of the classes, with ids from 1."""
    classes = [schema.Class(id=at, name=name) for at, name in enumerate(names, start=1)]
    images = [make_image(at, len(names)) for at in range(1, num_images + 1)]
    return schema.Report(
        format=schema.FORMAT,
        program={"name": "official_yolact", "version": "0"},
        created="2026-01-01T00:00:00+00:00",
        title="runs/nuts on val",
        evaluated=_make_evaluated(len(names), num_images),
        classes=classes,
        kinds=["box", "mask"],
        main="mask",
        measurements={kind: _make_kind(classes, kind) for kind in ("box", "mask")},
        ceiling=[
            {
                "grid": [138, 138],
                "input": [550, 550],
                "target": target,
                "trained": target == "binary",
                "objects": 40,
                "numbers": dict.fromkeys(("AP", "AP50", "AP75", "APs", "APm", "APl"), 0.91),
                "mean_iou": 0.94,
            }
            for target in ("binary", "coverage")
        ],
        mask_quality={
            "boundary": 0.02,
            "sampled": 31,
            "rows": [
                {"name": name, "masks": 31, "mean_iou": 0.82, "mean_boundary_iou": 0.6}
                for name in ("all", "small", "medium", "large")
            ],
        },
        images={
            "kind": "mask",
            "threshold": 0.3,
            "worst": images,
            "best": images[:1],
            "label_errors": images[:1],
        },
        speed={
            "device": "a CPU of 2 cores",
            "runtime": "TensorFlow",
            "precision": "float32",
            "rounds": 15,
            "photo": [480, 640],
            "rows": [
                {
                    "batch": batch,
                    "parts": {
                        part: {"median": 10.0, "p95": 12.0}
                        for part in ("decode", "network", "suppression", "masks", "encode", "total")
                    },
                }
                for batch in (1, 8)
            ],
        },
    )


def make_image(image_id: int = 1, num_classes: int = 2) -> schema.ShownImage:
    """Make an image of 60 x 80 pixels with a found, a missed and a crowd object, and detections of each outcome."""
    boxes = {
        "found": [10.0, 10.0, 20.0, 20.0],
        "missed": [50.0, 30.0, 20.0, 20.0],
        "crowd": [0.0, 40.0, 10.0, 20.0],
    }
    objects = [
        schema.ShownObject(
            id=10 * image_id + at,
            category_id=1,
            box=box,
            segmentation=_draw(box),
            outcome=outcome,
            reason=f"{outcome}: an example",
        )
        for at, (outcome, box) in enumerate(boxes.items())
    ]
    rows: list[tuple[str, str | None, int | None, list[float]]] = [
        ("true", None, objects[0]["id"], [11.0, 10.0, 20.0, 20.0]),
        ("false", "background", None, [40.0, 2.0, 10.0, 10.0]),
        ("false", "class", objects[1]["id"], [50.0, 31.0, 20.0, 20.0]),
        ("ignored", None, objects[2]["id"], [0.0, 41.0, 10.0, 15.0]),
    ]
    detections = [
        schema.ShownDetection(
            category_id=num_classes if kind == "class" else 1,
            score=round(0.9 - 0.1 * at, 2),
            box=box,
            segmentation=_draw(box),
            outcome=outcome,
            kind=kind,
            object=found,
            iou=None if found is None else 0.8,
            reason=f"{kind or outcome}: an example",
            is_candidate=kind == "background",
        )
        for at, (outcome, kind, found, box) in enumerate(rows)
    ]
    return schema.ShownImage(
        id=image_id,
        file_name=f"{image_id}.jpg",
        height=60,
        width=80,
        cost=2.6,
        true=1,
        false=2,
        missed=1,
        kinds=["class", "background", "missed"],
        classes=sorted({1, num_classes}),
        objects=objects,
        detections=detections,
    )


def _draw(box: list[float]) -> dict[str, Any]:
    mask = np.zeros((60, 80), np.bool_)
    left, top, width, height = map(int, box)
    mask[top : top + height, left : left + width] = True
    return run_lengths.encode_masks(mask[np.newaxis])[0]


def _make_evaluated(num_classes: int, num_images: int) -> schema.Evaluated:
    return {
        "model": {
            "path": "runs/nuts",
            "checkpoint": "runs/nuts/best_ckpt/ckpt-1000",
            "step": 1000,
            "config": {"task": {"model": {"num_classes": num_classes + 1}}},
            "weights": {"checkpoint": "ckpt-1000"},
            "runtime": "TensorFlow",
            "precision": "float32",
            "options": {"nms_threshold": 0.5},
        },
        "detections": None,
        "annotations": {"path": "val.json", "sha256": "0" * 64, "bytes": 1234},
        "images": "val",
        "counts": {
            "images": num_images,
            "images_without_objects": 1,
            "objects": 40,
            "crowds": 1,
            "classes": num_classes,
            "classes_without_objects": 0,
            "detections": 300,
        },
        "skipped": [
            {"what": "picture", "why": "it could not be read", "count": 1, "names": ["broken.jpg: truncated"]}
        ],
        "notes": ["2 boxes reach beyond their image"],
    }


def _make_interval(value: float) -> schema.Interval:
    return {"value": value, "low": max(0.0, value - 0.08), "high": min(1.0, value + 0.08)}


def _make_kind(classes: list[schema.Class], kind: str) -> schema.KindReport:
    names = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
    recalls = np.linspace(0, 1, 11).tolist()
    points = [
        schema.Operating(threshold=t / 20, precision=t / 20, recall=1 - t / 20, f1=2 * t / 20 * (1 - t / 20))
        for t in range(21)
    ]
    return {
        "numbers": {name: _make_interval(0.4) for name in names},
        "bootstrap": {"replicates": 1000, "images": 3, "seed": 0, "confidence": 0.95},
        "by_class": [
            {
                **each,
                "objects": 10 * each["id"],
                "detections": 150,
                "AP": _make_interval(0.2 + 0.4 / each["id"]),
                "AP50": 0.7,
                "AP75": 0.4,
                "recall": 0.8,
                "threshold": 0.4,
                "f1": 0.75,
                "precision_at": 0.8,
                "recall_at": 0.7,
            }
            for each in classes
        ],
        "by_size": [
            _make_group("small: below 32 x 32 pixels", 0, 32**2),
            _make_group("medium: below 96 x 96 pixels", 32**2, 96**2),
            _make_group("large: from 96 x 96 pixels", 96**2, None),
        ],
        "by_image_size": [
            _make_group("below 0.3 megapixels", 0, 3e5),
            _make_group("from 0.3 megapixels", 3e5, None),
        ],
        "by_object_count": [_make_group("1 object", 1, 2), _make_group("from 2 objects", 2, None)],
        "curves": {
            "iou": 0.5,
            "recalls": recalls,
            "mean": [1 - recall / 2 for recall in recalls],
            "classes": [
                {
                    "id": each["id"],
                    "precision": [
                        1 - recall / (1 + each["id"]) if recall < 0.9 else None for recall in recalls
                    ],
                    "score": [1 - recall if recall < 0.9 else None for recall in recalls],
                }
                for each in classes
            ],
        },
        "thresholds": {
            "recommended": points[10],
            "wishes": [
                {"measure": "precision", "wished": 0.9, "reached": points[18]},
                {"measure": "recall", "wished": 0.99, "reached": None},
            ],
            "points": points,
        },
        "calibration": {
            "bins": [
                {
                    "low": at / 10,
                    "high": (at + 1) / 10,
                    "detections": 0 if at == 3 else 30,
                    "mean_score": None if at == 3 else at / 10 + 0.05,
                    "precision": None if at == 3 else at / 12,
                }
                for at in range(10)
            ],
            "error": 0.07,
        },
        "confusion": [_make_confusion(classes, threshold) for threshold in (0.5, 0.0)],
        "errors": {
            "of": "AP50",
            "value": 0.7,
            "rows": [
                {"kind": error, "count": 10 * at, "count_at": at, "points": 0.7 * at}
                for at, error in enumerate(schema.ERRORS)
            ],
            "false_positive": 6.0,
            "false_negative": 12.0,
        },
        "mask_errors": {
            "of": "AP",
            "value": 0.4,
            "rows": [
                {"kind": error, "count": 10 * at, "count_at": at, "points": 0.9 * at}
                for at, error in enumerate(schema.MASK_ERRORS)
            ],
            "false_positive": None,
            "false_negative": None,
        }
        if kind == "mask"
        else None,
    }


def _make_group(name: str, low: float, high: float | None) -> schema.GroupRow:
    return {
        "name": name,
        "low": low,
        "high": high,
        "images": 2,
        "objects": 20,
        "AP": _make_interval(0.3),
        "AP50": 0.5,
        "recall": 0.6,
    }


def _make_confusion(classes: list[schema.Class], threshold: float) -> schema.Confusion:
    ids = [each["id"] for each in classes]
    cells = [schema.ConfusionCell(truth=one, found=one, count=15, share=0.75) for one in ids]
    cells += [schema.ConfusionCell(truth=one, found=schema.BACKGROUND, count=4, share=0.2) for one in ids]
    cells += [schema.ConfusionCell(truth=ids[0], found=ids[-1], count=1, share=0.05)] if len(ids) > 1 else []
    cells += [
        schema.ConfusionCell(truth=schema.BACKGROUND, found=one, count=3, share=1 / len(ids)) for one in ids
    ]
    return {"iou": 0.5, "threshold": threshold, "cells": cells}
