"""The messages of proto/feedback.proto, as a client of gRPC has them that compiles it."""

from typing import Any, Final

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

METHOD: Final = "/headrace.v1.Feedback/Send"
_FIELD: Final = descriptor_pb2.FieldDescriptorProto
_KINDS: Final = {
    "string": _FIELD.TYPE_STRING,
    "double": _FIELD.TYPE_DOUBLE,
    "uint32": _FIELD.TYPE_UINT32,
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="feedback.proto", package="headrace.v1", syntax="proto3"
    )
    _message(file, "SendRequest", "repeated Label feedback = 1")
    _message(
        file,
        "Label",
        "string prediction_id = 1; repeated double label = 2; string segment = 3; "
        "map double scores = 4",
    )
    outcomes = ("joined", "twice", "late", "unknown", "forged", "unfit")
    counts = "; ".join(f"uint32 {one} = {at}" for at, one in enumerate(outcomes, start=1))
    _message(file, "SendResponse", f"{counts}; map uint32 first = 7")
    return file


def _message(file: descriptor_pb2.FileDescriptorProto, name: str, fields: str) -> None:
    message = file.message_type.add(name=name)
    for field in fields.split("; "):
        words, _, number = field.partition(" = ")
        *rule, kind, called = words.split()
        one = message.field.add(name=called, number=int(number), label=_FIELD.LABEL_OPTIONAL)
        if rule:
            one.label = _FIELD.LABEL_REPEATED
        if rule == ["map"]:
            entry = message.nested_type.add(name=f"{called.capitalize()}Entry")
            entry.options.map_entry = True
            entry.field.add(
                name="key", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL
            )
            entry.field.add(name="value", number=2, type=_KINDS[kind], label=_FIELD.LABEL_OPTIONAL)
            one.type, one.type_name = _FIELD.TYPE_MESSAGE, f".headrace.v1.{name}.{entry.name}"
        elif kind in _KINDS:
            one.type = _KINDS[kind]
        else:
            one.type, one.type_name = _FIELD.TYPE_MESSAGE, f".headrace.v1.{kind}"


_POOL: Final = descriptor_pool.DescriptorPool()
_POOL.Add(_file())


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"headrace.v1.{name}"))


SendRequest: Final = _class("SendRequest")
SendResponse: Final = _class("SendResponse")


def send(address: str, labels: list[dict[str, Any]], token: str = "") -> Any:
    """Send labels over gRPC; return the SendResponse.

    Raises:
        grpc.RpcError: the server says no.
    """
    said = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(METHOD, SendRequest.SerializeToString, SendResponse.FromString)
        return call(SendRequest(feedback=labels), metadata=said, timeout=60)
