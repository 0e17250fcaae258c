"""The network that the scenes of tests/chaos break, between a client and a server of this test."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from support.tcp_proxy import TcpProxy
from support.waiting import PATIENCE_S, wait_until


class Echo:
    """Answers every part with itself; `received` has all of them. A context manager."""

    def __init__(self, listener: socket.socket) -> None:
        self.received = b""
        self.ended = 0
        self.address = listener.getsockname()
        self._listener = listener
        self._open: list[socket.socket] = []
        listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._open.append(self._listener.accept()[0])
                threading.Thread(target=self._echo, args=self._open[-1:], daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while part := connection.recv(65_536):
                self.received += part
                connection.sendall(part)
        self.ended += 1

    def close(self) -> None:
        for each in [self._listener, *self._open]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = Echo(listener)
    yield server
    server.close()


@pytest.fixture
def network(echo: Echo) -> Iterator[TcpProxy]:
    with TcpProxy(echo.address) as proxy:
        yield proxy


@pytest.fixture
def client(network: TcpProxy) -> Iterator[socket.socket]:
    with connected(network) as connection:
        yield connection


def connected(network: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", network.port), PATIENCE_S)


def said(client: socket.socket, part: bytes) -> bytes:
    """What comes back for it."""
    client.sendall(part)
    return heard(client, len(part))


def heard(client: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = client.recv(size - len(received))
        assert part, f"the connection ended after {len(received)} bytes"
        received += part
    return received


def accepted(network: TcpProxy, size: int) -> bool:
    return network.traffic.forth == size


def silent(client: socket.socket) -> bool:
    """Whether nothing is there to be read, not even the end."""
    client.setblocking(False)
    try:
        return client.recv(1) is None
    except BlockingIOError:
        return True
    finally:
        client.settimeout(PATIENCE_S)


def test_bytes_and_ends_pass_in_both_directions(
    echo: Echo, network: TcpProxy, client: socket.socket
) -> None:
    sent = bytes(range(256)) * 4096
    sender = threading.Thread(target=client.sendall, args=(sent,))
    sender.start()
    assert heard(client, len(sent)) == sent
    sender.join()
    client.shutdown(socket.SHUT_WR)
    wait_until(lambda: echo.ended == 1)


def test_traffic_is_counted(network: TcpProxy, client: socket.socket) -> None:
    for number in range(5):
        assert said(client, f"{number} and more".encode()) == f"{number} and more".encode()
    traffic = network.traffic
    assert (traffic.connections, traffic.round_trips) == (1, 5)
    assert (traffic.forth, traffic.back) == (50, 50)
    assert network.connections == 1
    client.close()
    wait_until(lambda: network.connections == 0)


def test_a_delay_is_of_the_round_trip_and_of_connecting(network: TcpProxy) -> None:
    network.delay(0.3)
    started = time.monotonic()
    with connected(network) as client:
        assert said(client, b"first") == b"first"
        assert time.monotonic() - started >= 0.6  # connecting takes one round trip too
        started = time.monotonic()
        assert said(client, b"second") == b"second"
        assert time.monotonic() - started >= 0.3


def test_a_later_part_sets_out_before_the_first_has_arrived(
    echo: Echo, network: TcpProxy, client: socket.socket
) -> None:
    said(client, b"-")
    network.delay(6.0)
    for number in range(1, 6):
        client.sendall(b"part")
        wait_until(partial(accepted, network, 1 + 4 * number))
    assert echo.received == b"-", "this machine took seconds for five parts, or nothing is delayed"
    network.heal()
    client.sendall(b"last")
    assert heard(client, 24) == b"part" * 5 + b"last"


def test_nothing_passes_a_stall_not_even_what_was_under_way(
    echo: Echo, network: TcpProxy, client: socket.socket
) -> None:
    said(client, b"-")
    network.delay(0.2)
    client.sendall(b"under way")
    wait_until(lambda: network.traffic.forth == 10)
    network.stall()
    client.sendall(b", stalled")
    wait_until(lambda: network.traffic.forth == 19)
    with connected(network) as another:
        another.sendall(b"!")
        time.sleep(0.3)  # by then it would have arrived
        assert echo.received == b"-"
        assert silent(client)
        assert network.connections == 2
        network.heal()
        assert heard(client, 18) == b"under way, stalled"
        assert heard(another, 1) == b"!"


def test_a_stall_fills_no_memory(network: TcpProxy, client: socket.socket) -> None:
    network.stall()
    client.settimeout(0.5)
    with pytest.raises(TimeoutError):
        client.sendall(bytes(100_000_000))
    assert network.traffic.forth < 20_000_000


@pytest.mark.parametrize("reset", [True, False])
def test_a_cut_ends_both_sides_and_others_can_connect(
    echo: Echo, network: TcpProxy, client: socket.socket, reset: bool
) -> None:
    said(client, b"-")
    network.cut(reset=reset)
    if reset:
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    else:
        assert client.recv(1) == b""
    wait_until(lambda: echo.ended == 1)
    with connected(network) as another:
        assert said(another, b"again") == b"again"


def test_new_connections_are_refused_and_open_ones_stay(
    network: TcpProxy, client: socket.socket
) -> None:
    said(client, b"-")
    network.refuse()
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            connected(network)
    assert said(client, b"still there") == b"still there"
    network.heal()
    with connected(network) as another:
        assert said(another, b"again") == b"again"


def test_a_server_that_vanished_says_nothing_ever_again(
    echo: Echo, network: TcpProxy, client: socket.socket
) -> None:
    said(client, b"-")
    network.vanish()
    client.sendall(b"into the void")
    with connected(network) as meanwhile:
        meanwhile.sendall(b"this too")
        wait_until(lambda: network.traffic.forth == len("-into the voidthis too"))
        network.heal()
        with connected(network) as another:
            assert said(another, b"new") == b"new"
        assert silent(client)
        assert silent(meanwhile)
    assert echo.received == b"-new"
    client.close()
    wait_until(lambda: network.connections == 0)
    assert echo.ended == 1, "the server was told of more than the new connection"


def test_a_server_that_is_not_there_is_a_reset(tmp_path: Path) -> None:
    with (
        TcpProxy(tmp_path / "no.sock") as network,
        pytest.raises(ConnectionResetError),  # perhaps while it still connects
        connected(network) as client,
    ):
        client.recv(1)


def test_a_server_may_be_a_socket_of_the_file_system(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    server = Echo(listener)
    with TcpProxy(tmp_path / "s") as network, connected(network) as client:
        assert said(client, b"by a file") == b"by a file"
    server.close()
