"""What a subscriber asks for, read strictly and told again (EPCIS 2.0 §8.2.5; its OpenAPI document: AbstractQuerySubscription).

A subscription says when: by `schedule`, or `stream` true, and never both. What is not known here is passed over, as the
standard's schema allows it. The secret of a webhook is never told again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ledger.base.errors import Code, CustodyError, FormError
from ledger.epcis.spelling import EpcFormat
from ledger.epcis.vocabulary import CbvFormat
from ledger.trade.extract.fields import time_ms
from ledger.trade.slices import parse
from node.gateway.epcis.problems import EpcisError, Exceptional
from node.gateway.epcis.subscriptions.outbound import Target, target_of
from node.gateway.epcis.subscriptions.schedule import FIELDS, Schedule, schedule_from_fields

BODY_BYTES: Final = 65_536
_SECRET_CHARACTERS: Final = 1_024


class Terms(NamedTuple):
    """When and how, whatever the way of delivery."""

    schedule: dict[str, str] | None
    """The fields as they were given; None: as events come."""
    report_if_empty: bool = False
    initial_ms: int | None = None
    epc_format: str = EpcFormat.DIGITAL_LINK.value
    cbv_format: str = CbvFormat.NO_PREFERENCE.value

    def times(self) -> Schedule | None:
        """The schedule, None for a stream."""
        return None if self.schedule is None else schedule_from_fields(self.schedule)


class Request(NamedTuple):
    """The body of a request for a webhook."""

    target: Target
    secret: str | None
    terms: Terms


def request_of(body: bytes) -> Request:
    """What a body asks for. EpcisError: SubscriptionControlsException, ValidationException where it is no JSON object."""
    try:
        value = parse(body, BODY_BYTES)
    except FormError as error:
        raise EpcisError(Exceptional.VALIDATION, error.code, error.message) from None
    if type(value) is not dict:
        raise EpcisError(
            Exceptional.VALIDATION, Code.MALFORMED, "body: expected a JSON object, got another value"
        )
    try:
        return Request(
            target_of(_text(value, "dest")),
            _secret(value),
            _terms(
                value.get("schedule"),
                value.get("stream"),
                report=_flag(value, "reportIfEmpty"),
                initial=value.get("initialRecordTime"),
            ),
        )
    except FormError as error:
        raise controls(error) from None


def terms_of_parameters(parameters: Mapping[str, str]) -> Terms:
    """What the parameters of a WebSocket's or an event stream's address ask for. EpcisError: SubscriptionControlsException."""
    fields = {name: parameters[name] for name in FIELDS if name in parameters}
    try:
        return _terms(
            fields or None,
            _word(parameters, "stream"),
            report=_word(parameters, "reportIfEmpty") or False,
            initial=parameters.get("initialRecordTime"),
        )
    except FormError as error:
        raise controls(error) from None


def controls(error: CustodyError) -> EpcisError:
    """What is wrong with a subscription, as EPCIS calls it."""
    return EpcisError(Exceptional.SUBSCRIPTION_CONTROLS, error.code, error.message)


def _terms(schedule: Any, stream: Any, *, report: bool, initial: Any) -> Terms:
    if stream not in (None, True) or type(stream) not in (type(None), bool):
        raise FormError(Code.MALFORMED, "stream: expected true, or to be left out, got another value")
    if (schedule is None) == (stream is None):
        came = "neither" if schedule is None else "both"
        raise FormError(Code.MALFORMED, f"expected a schedule or stream true, got {came}")
    if schedule is not None:
        if type(schedule) is not dict or not all(type(text) is str for text in schedule.values()):
            raise FormError(Code.MALFORMED, "schedule: expected an object of texts, got another value")
        schedule = {name: schedule[name] for name in FIELDS if name in schedule}
        schedule_from_fields(schedule)
    return Terms(schedule, report, None if initial is None else _time(initial))


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    if type(text) is not str:
        raise FormError(
            Code.MALFORMED, f"{name}: expected a text, got {'nothing' if text is None else 'another value'}"
        )
    return text


def _flag(value: Mapping[str, Any], name: str) -> bool:
    flag = value.get(name, False)
    if type(flag) is not bool:
        raise FormError(Code.MALFORMED, f"{name}: expected true or false, got another value")
    return flag


def _word(parameters: Mapping[str, str], name: str) -> bool | None:
    text = parameters.get(name)
    if text is not None and text.lower() not in ("true", "false"):
        raise FormError(Code.MALFORMED, f"{name}: expected true or false, got {text[:40]!a}")
    return None if text is None else text.lower() == "true"


def _secret(value: Mapping[str, Any]) -> str | None:
    """`signatureToken`; `secret`, as the standard's schema also calls it."""
    name = "signatureToken" if "signatureToken" in value else "secret"
    if value.get(name) is None:
        return None
    text = _text(value, name)
    if not 0 < len(text) <= _SECRET_CHARACTERS:
        raise FormError(
            Code.MALFORMED, f"{name}: expected 1 .. {_SECRET_CHARACTERS} characters, got {len(text)}"
        )
    return text


def _time(text: Any) -> int:
    if type(text) is not str:
        raise FormError(Code.BAD_TIME, "initialRecordTime: expected a text, got another value")
    return time_ms(text, "initialRecordTime")
