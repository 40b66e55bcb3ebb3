"""Mozilla Data Collective: a dataset's id -> a link to its archive, asked for again whenever the link has expired.

The `datacollective` package knows the service's address and its names, but it downloads whole archives to disk, and
that is what a 94 GB archive must not do. So the one request that gives a link is made here, and read as a stream.
"""

import os
import re

import requests

from lid.data.sources.http_stream import HttpStream, Link
from lid.data.sources.retry import BUSY, Retries, RetryPolicy, retry_after
from lid.errors import InputError

SITE = "https://mozilladatacollective.com"


def open_dataset(dataset_id: str, policy: RetryPolicy | None = None) -> HttpStream:
    """The archive of a dataset, given by its id or the name in its address, as a stream that renews its own links.

    Uses MDC_API_KEY and MDC_API_URL from the environment (or a .env file, as the package does). Raises InputError:
    "mdc_key", "mdc_terms", "mdc_paid", "mdc_package", "missing", "connection", "busy".
    """
    policy = policy or RetryPolicy()

    def link() -> Link:
        return request_link(dataset_id, policy)

    return HttpStream(link(), f"mdc:{dataset_id}", renew=link, policy=policy)


def request_link(dataset_id: str, policy: RetryPolicy) -> Link:
    """POST /datasets/{id}/download -> a fresh presigned link."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", dataset_id):
        raise InputError(f"mdc:{dataset_id} is no dataset id: copy the last part of its address on {SITE}.", "missing")
    api, key = _api_url(), _api_key()
    response = _post(f"{api}/datasets/{dataset_id}/download", key, dataset_id, policy)
    if response.status_code == 404 and (real_id := _id_of(dataset_id)):
        response = _post(f"{api}/datasets/{real_id}/download", key, dataset_id, policy)
    if response.status_code not in (200, 201):
        raise _refusal(dataset_id, response)
    try:
        answer = response.json()
        return Link(str(answer["downloadUrl"]), version=str(answer.get("checksum") or ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"mdc:{dataset_id}: {api} gave no download link. Check MDC_API_URL.", "connection") from None


def _post(url: str, key: str, dataset_id: str, policy: RetryPolicy) -> requests.Response:
    retries = Retries(f"mdc:{dataset_id}", policy)
    while True:
        try:
            response = requests.post(url, headers={"Authorization": f"Bearer {key}"}, timeout=policy.timeouts)
        except requests.RequestException as error:
            problem = "no answer" if isinstance(error, requests.Timeout) else "no connection"
            retries.failed(f"{problem} from Mozilla Data Collective")
            continue
        if response.status_code not in BUSY:
            return response
        retries.answered()
        problem = f"Mozilla Data Collective answers {response.status_code}"
        if response.status_code == 429:
            problem += ", too many requests,"
        retries.failed(problem, retry_after(response.headers), busy=True)


def _api_url() -> str:
    try:
        from datacollective.api_utils import DEFAULT_API_URL, ENV_API_URL  # importing it loads .env, and pandas: 1.3 s
    except ModuleNotFoundError as error:
        needed = "With Python 3.11.4 or newer: pip install datacollective"
        raise InputError(f"mdc: needs a package that is missing, {error.name}. {needed}", "mdc_package") from error
    return os.environ.get(ENV_API_URL, DEFAULT_API_URL).rstrip("/")


def _api_key() -> str:
    key = os.environ.get("MDC_API_KEY", "").strip()
    if not key or not key.isascii() or not key.isprintable():
        raise InputError(f"Set MDC_API_KEY to your key: {SITE}, Profile, API credentials. It is free.", "mdc_key")
    return key


def _id_of(name: str) -> str | None:
    """The id behind the readable name in a dataset's address; None when the service knows no other id for it."""
    from datacollective import get_dataset_details

    try:
        found = get_dataset_details(name).id
    except (requests.RequestException, OSError, ValueError, RuntimeError):
        return None
    return found if found != name else None


def _refusal(dataset_id: str, response: requests.Response) -> InputError:
    said = _said(response)
    page = f"{SITE}/datasets/{dataset_id}"
    known = {
        401: (f"Mozilla Data Collective does not accept MDC_API_KEY. Create a new key on {SITE}.", "mdc_key"),
        402: (f"mdc:{dataset_id} has to be bought first: {page}", "mdc_paid"),
        403: (f"The terms of mdc:{dataset_id} are not accepted yet: open {page} and accept them.", "mdc_terms"),
        404: (f"Mozilla Data Collective has no dataset {dataset_id}. Copy the id from its page on {SITE}.", "missing"),
        410: (f"mdc:{dataset_id} was withdrawn. Choose a newer release on {SITE}.", "missing"),
    }
    unknown = f"mdc:{dataset_id}: Mozilla Data Collective answers {response.status_code}.", "connection"
    text, reason = known.get(response.status_code, unknown)
    return InputError(f"{text} It says: {said}" if said else text, reason)


def _said(response: requests.Response) -> str:
    """The service's own explanation, one line of it."""
    try:
        body = response.json()
        return " ".join(str(body.get("message") or body.get("error") or "").split())[:200]
    except (ValueError, AttributeError):
        return ""
