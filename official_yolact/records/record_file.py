"""TFRecord files and `tf.train.Example`, written without TensorFlow.

Importing TensorFlow takes seconds and 700 MB in every process; writing its records takes neither.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import message_factory

from official_yolact.records import crc32c

HEADER_BYTES = 12
"""Of a record: its length, and the checksum of that."""

FOOTER_BYTES = 4
"""Of a record: the checksum of its content."""

Values = Sequence[bytes] | Sequence[int] | Sequence[float]

_FIELD = descriptor_pb2.FieldDescriptorProto
_LISTS = (
    ("bytes_list", "BytesList", _FIELD.TYPE_BYTES),
    ("float_list", "FloatList", _FIELD.TYPE_FLOAT),
    ("int64_list", "Int64List", _FIELD.TYPE_INT64),
)


def frame(record: bytes) -> bytes:
    """Put length and checksums around a record, as TFRecord files have them."""
    length = struct.pack("<Q", len(record))
    return b"".join(
        (
            length,
            struct.pack("<I", crc32c.masked_crc32c(length)),
            record,
            struct.pack("<I", crc32c.masked_crc32c(record)),
        )
    )


def serialize_example(
    ints: Mapping[str, Sequence[int]],
    floats: Mapping[str, Sequence[float]],
    strings: Mapping[str, Sequence[bytes]],
) -> bytes:
    """Serialize a `tf.train.Example`.

    Args:
      ints: features that are int64 lists.
      floats: features that are float32 lists.
      strings: features that are lists of bytes.

    Returns:
      The bytes; equal content gives equal bytes.
    """
    example = _example_class()()
    features = example.features.feature
    for kind, listed in (("int64_list", ints), ("float_list", floats), ("bytes_list", strings)):
        for key, values in listed.items():
            chosen = getattr(features[key], kind)
            # Also an empty list has its kind.
            chosen.SetInParent()
            chosen.value.extend(values)
    # Maps have no order of their own.
    data: bytes = example.SerializeToString(deterministic=True)
    return data


@functools.cache
def _example_class() -> Any:
    """Describe the message in a pool of its own: TensorFlow, where it is loaded, has the names."""
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="records", syntax="proto3")
    feature = descriptor_pb2.DescriptorProto(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (field, name, kind) in enumerate(_LISTS, start=1):
        listed = file.message_type.add(name=name)
        listed.field.add(name="value", number=1, label=_FIELD.LABEL_REPEATED, type=kind)
        _add_message(feature, field, number, name, oneof_index=0)
    file.message_type.append(feature)
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry", options={"map_entry": True})
    entry.field.add(name="key", number=1, label=_FIELD.LABEL_OPTIONAL, type=_FIELD.TYPE_STRING)
    _add_message(entry, "value", 2, "Feature")
    _add_message(features, "feature", 1, "Features.FeatureEntry", label=_FIELD.LABEL_REPEATED)
    _add_message(file.message_type.add(name="Example"), "features", 1, "Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("records.Example"))


def _add_message(owner: Any, name: str, number: int, kind: str, **options: int) -> None:
    options.setdefault("label", _FIELD.LABEL_OPTIONAL)
    owner.field.add(
        name=name, number=number, type=_FIELD.TYPE_MESSAGE, type_name=f".records.{kind}", **options
    )
