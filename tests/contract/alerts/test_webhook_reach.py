"""Where a webhook may lead, and whom it believes."""

import shutil
import socket
import ssl
import subprocess
from ipaddress import ip_address

import pytest

from daemon.adapters.alerts.webhook import Caution, Network, WebhookAlerts
from daemon.errors import ConfigError
from daemon.ports import AlertFault
from tests.contract.alerts.test_alerts import SECRET, STUCK
from tests.contract.lease_kit import HandClock
from tests.watch_kit import Receiver


class Names:
    """A network in which every name leads to the same addresses, and nobody answers there."""

    def __init__(self, *addresses):
        self.addresses = addresses
        self.asked = []
        self.called = []

    def look_up(self, host, port, **_):
        self.asked.append(host)
        kinds = [socket.AF_INET6 if ":" in one else socket.AF_INET for one in self.addresses]
        return [
            (kind, socket.SOCK_STREAM, 6, "", (one, port))
            for kind, one in zip(kinds, self.addresses, strict=True)
        ]

    def connect(self, place, timeout):
        self.called.append(place[0])
        raise ConnectionRefusedError(111, "Connection refused")


def fault(url, names=None, **allowed):
    network = Network(look_up=names.look_up, connect=names.connect) if names else None
    webhook = WebhookAlerts(
        url, SECRET, HandClock(), timeout_s=0.5, caution=Caution(**allowed), network=network
    )
    with pytest.raises(AlertFault) as caught:
        webhook.send(STUCK)
    return caught.value


PRIVATE = ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.1.1", "::1", "fd00::1"]
DISGUISED = ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1"]
NOBODY = ["169.254.169.254", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"]


@pytest.mark.parametrize("address", [*PRIVATE, *DISGUISED])
def test_a_private_address_is_not_called_unless_allowed(address):
    names = Names(address)
    found = fault("https://innocent.example/hook", names)
    assert "is a private address" in found.message
    assert "allow_private" in found.hint
    assert names.called == []
    fault("https://innocent.example/hook", names, allow_private=True)
    assert [ip_address(one) for one in names.called] == [ip_address(address)]


@pytest.mark.parametrize("address", [*NOBODY, "::ffff:169.254.169.254"])
def test_what_is_no_receiver_is_never_called(address):
    names = Names(address)
    found = fault("http://a.example/", names, allow_private=True, allow_insecure=True)
    assert "is not the address of a receiver" in found.message
    assert names.called == []


@pytest.mark.parametrize("host", ["127.1", "0", "2130706433", "0x7f000001", "localhost"])
def test_this_machine_by_any_other_name_is_this_machine(host):
    message = fault(f"https://{host}/").message
    assert "is a private address" in message or "is not the address of a receiver" in message


def test_a_name_is_looked_up_once_and_what_was_judged_is_called():
    names = Names("10.0.0.1", "93.184.216.34", "2606:2800::1", "127.0.0.1")
    fault("https://mixed.example/hook", names)
    assert names.asked == ["mixed.example"]
    assert names.called == ["93.184.216.34", "2606:2800::1"]


def test_plain_http_stays_on_this_machine_unless_allowed():
    names = Names("93.184.216.34")
    assert "can be read on the way" in fault("http://plain.example/hook", names).message
    assert names.called == []
    fault("http://plain.example/hook", names, allow_insecure=True)
    assert names.called == ["93.184.216.34"]


def test_plain_http_in_a_private_network_needs_both_words():
    names = Names("10.0.0.1")
    found = fault("http://a.example/", names, allow_private=True)
    assert "can be read on the way" in found.message
    fault("http://a.example/", names, allow_private=True, allow_insecure=True)
    assert names.called == ["10.0.0.1"]


def test_a_name_that_leads_nowhere_is_a_fault():
    assert "cannot be looked up" in fault("https://no-such-host.invalid/").message


# ── TLS ──────────────────────────────────────────────────────────────────────
ASK = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    " -subj /CN=localhost -addext subjectAltName=DNS:localhost"
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for `localhost`, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "made.pem", folder / "key.pem"
    subprocess.run(
        [*ASK.split(), "-keyout", str(key), "-out", str(made)],
        check=True,
        capture_output=True,
    )
    return made, key


@pytest.fixture
def secure(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with Receiver(tls=context) as listening:
        yield listening


def called(receiver, host, ca_file):
    url = f"https://{host}:{receiver.port}/hook"
    caution = Caution(allow_private=True, ca_file=ca_file)
    WebhookAlerts(url, SECRET, HandClock(), timeout_s=5, caution=caution).send(STUCK)


def test_a_certificate_of_ones_own_is_trusted_where_it_is_named(secure, certificate):
    called(secure, "localhost", certificate[0])
    assert secure.got[0][0]["Host"] == f"localhost:{secure.port}"


def test_nobody_elses_certificate_is_trusted(secure):
    with pytest.raises(AlertFault, match="TLS with localhost failed: self-signed"):
        called(secure, "localhost", None)
    assert secure.got == []


def test_the_name_must_be_that_of_the_certificate(secure, certificate):
    with pytest.raises(AlertFault, match=r"TLS with 127\.0\.0\.1 failed"):
        called(secure, "127.0.0.1", certificate[0])
    assert secure.got == []


def test_certificates_that_are_none_are_refused_at_the_start(tmp_path):
    for path in (tmp_path / "none.pem", tmp_path / "text.pem"):
        if path.name == "text.pem":
            path.write_text("no certificate")
        with pytest.raises(ConfigError, match="the certificates cannot be read"):
            WebhookAlerts("https://a.example/", SECRET, HandClock(), caution=Caution(ca_file=path))
