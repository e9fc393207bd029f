"""The database's tables of labels that come later."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

from headrace.feedback.prediction import KEY_BYTES

TABLES: Final = MetaData()
#: One row.
KEY: Final = Table("prediction_key", TABLES, Column("key", LargeBinary(KEY_BYTES), nullable=False))
#: Predictions that have a label, until another one would be late.
JOINED: Final = Table(
    "feedback_joined",
    TABLES,
    Column("nonce", BigInteger, primary_key=True, autoincrement=False),
    Column("until_hour", Integer, nullable=False, index=True),
)
#: And which, where it is one: JSON of a number for each row.
LABEL: Final = Table(
    "feedback_label",
    TABLES,
    Column("nonce", BigInteger, primary_key=True, autoincrement=False),
    Column("said", String(255), nullable=False),
)
#: Segments and custom scores of each model.
NAME: Final = Table(
    "feedback_name",
    TABLES,
    Column("model", String(255), primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("name", String(64), primary_key=True),
)
COUNT: Final = Table(
    "feedback_count",
    TABLES,
    Column("model", String(255), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("segment", String(64), primary_key=True),
    #: When the predictions were made, in hours since 1970.
    Column("hour", Integer, primary_key=True, autoincrement=False, index=True),
    Column("what", String(80), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("total", Float(53), nullable=False),
    Column("hits", BigInteger, nullable=False),
)

#: What labels say to a rollout; only the newest of a model is kept.
UNITS: Final = Table(
    "feedback_said",
    TABLES,
    Column("model", String(255), primary_key=True),
    Column("rollout", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("metric", String(64), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("bad", Float(53), nullable=False),
)
