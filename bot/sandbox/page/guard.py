"""Who may talk to the page: this machine's own browser on the page's own address. Pure.

Another site that the browser has open could post here, or point a name of its own at 127.0.0.1 and read. So
every request must name a loopback host with our port, and every act must come from a page of ours.
"""

from collections.abc import Mapping

NAMES = ("127.0.0.1", "localhost", "[::1]")
#: What the browser itself says about where a request comes from; an address typed in says ``none``.
OWN = ("same-origin", "none")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def refusal(method: str, headers: Mapping[str, str], port: int) -> str:
    """Why this request is refused, in a few words; empty when it is not.

    Args:
        method: of the request.
        headers: of the request, found whatever their case.
        port: ours.
    """
    hosts = {f"{name}:{port}" for name in NAMES}
    if headers.get("Host", "") not in hosts:
        return "not a name of this machine"
    origin = headers.get("Origin")
    if origin is not None and origin not in {f"http://{host}" for host in hosts}:
        return "another site"
    if method == "GET":
        return _refused_read(headers)
    if origin is None:
        return "an act says which page it comes from"
    if headers.get("Content-Type", "").partition(";")[0] != "application/json":
        return "an act is JSON"
    return ""


def _refused_read(headers: Mapping[str, str]) -> str:
    site = headers.get("Sec-Fetch-Site")
    if site is None or site in OWN or headers.get("Sec-Fetch-Mode") == "navigate":
        return ""
    return "another site"
