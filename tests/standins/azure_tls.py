"""A certificate authority that lives as long as the process, and what it signs for stand-ins on this machine."""

import datetime as dt
import functools
import ipaddress
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
_PEM, _PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates. `pem` is what clients trust."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def new(cls) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("a test's authority")
        made = _certificate(name, name, key.public_key())
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        return cls(made.sign(key, hashes.SHA256()), key)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(_PEM).decode()

    def server(self, *, days: int = 2) -> ssl.SSLContext:
        """The context of a server at this machine's addresses; with negative days its time is over."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("localhost"), *(x509.IPAddress(ipaddress.ip_address(each)) for each in ADDRESSES)]
        made = _certificate(_name("a stand-in"), self.certificate.subject, key.public_key(), days)
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        signed = made.add_extension(identifier, critical=False).sign(self.key, hashes.SHA256())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # Python's ssl takes keys from files only
            Path(file.name).write_bytes(_pem(key) + signed.public_bytes(_PEM))
            context.load_cert_chain(file.name)
        return context


@functools.cache
def signing_key() -> rsa.RSAPrivateKey:
    """An RSA key, for whoever needs one and not one of its own: they take a while to make."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate of an application's, and its RSA key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey = field(repr=False)

    @classmethod
    def new(cls, *, days: int = 2) -> "Identity":
        """With negative days its time is over."""
        key = signing_key()
        name = _name("an application")
        return cls(_certificate(name, name, key.public_key(), days).sign(key, hashes.SHA256()), key)

    @property
    def pem(self) -> bytes:
        return _pem(self.key) + self.certificate.public_bytes(_PEM)

    def pem_with(self, password: bytes) -> bytes:
        """PEM whose key is encrypted."""
        return _pem(self.key, password) + self.certificate.public_bytes(_PEM)

    def pfx(self, password: bytes | None = None) -> bytes:
        secrecy = _secrecy(password)
        return pkcs12.serialize_key_and_certificates(b"app", self.key, self.certificate, None, secrecy)


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: bytes | None = None) -> bytes:
    return key.private_bytes(_PEM, _PKCS8, _secrecy(password))


def _secrecy(password: bytes | None) -> serialization.KeySerializationEncryption:
    return serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, days: int = 2
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=5))
        .not_valid_after(now + dt.timedelta(days=days))
    )
