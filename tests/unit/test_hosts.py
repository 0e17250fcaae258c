"""Which addresses are public, and what the setting allows."""

from __future__ import annotations

import pytest

from ruie.hosts import allows, checked_hosts

PRIVATE = (
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.0.1", "100.64.0.1"),
    *("169.254.169.254", "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "240.0.0.1"),
    *("::", "::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::1", "::127.0.0.1", "fec0::1", "64:ff9b:1::1"),
    "2001:0:7f00:1::1",
)
PUBLIC = ("8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_refused_unless_its_host_is_allowed(address: str) -> None:
    assert not allows((), "h.example", address)
    assert not allows(checked_hosts(["other.example", "9.0.0.0/8"]), "h.example", address)
    assert allows(checked_hosts(["H.example."]), "h.EXAMPLE", address)
    assert allows(checked_hosts(["*.example"]), "h.example", address)
    assert not allows(checked_hosts(["*.h.example"]), "h.example", address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_not(address: str) -> None:
    assert allows((), "h.example", address)


def test_networks() -> None:
    hosts = checked_hosts([" 10.1.0.0/16", "[::1]", "169.254.169.254"])
    for address, allowed in (
        ("10.1.2.3", True), ("10.2.0.1", False), ("::1", True), ("::ffff:10.1.0.9", True),
        ("169.254.169.254", True), ("169.254.169.253", False), ("127.0.0.1", False),
    ):  # fmt: skip  # a table
        assert allows(hosts, "h", address) is allowed, address


@pytest.mark.parametrize("host", ["", "*", "a b", "http://h", "h:80", "h/p", "10.0.0.0/99", "1.2"])
def test_what_names_no_host(host: str) -> None:
    with pytest.raises(ValueError, match="is no host name, address or network"):
        checked_hosts([host])
