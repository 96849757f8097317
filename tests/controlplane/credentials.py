"""The keys and certificates of one control plane, made anew for each and gone with it."""

import datetime as dt
import ipaddress
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ADMIN = "admin"
CONTROLLERS = "kube-controller-manager"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where they lie, and the two tokens of those who may do everything."""

    ca: Path
    certificate: Path
    key: Path
    service_account_key: Path
    tokens: Path
    admin_token: str = field(repr=False)
    controllers_token: str = field(repr=False)


def write(folder: Path) -> Credentials:
    """Make them in the folder. Elliptic keys, because RSA keys would take a second of every start."""
    admin, controllers = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    made = Credentials(
        ca=folder / "ca.crt",
        certificate=folder / "apiserver.crt",
        key=folder / "apiserver.key",
        service_account_key=folder / "service-accounts.key",
        tokens=folder / "tokens.csv",
        admin_token=admin,
        controllers_token=controllers,
    )
    ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = _authority(ca_key)
    made.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    made.certificate.write_bytes(_server(server_key, ca, ca_key).public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(_pem(server_key))
    made.service_account_key.write_bytes(_pem(ec.generate_private_key(ec.SECP256R1())))
    # The controllers have a name of their own, so that the audit log tells their work from the administrator's.
    rows = ((admin, ADMIN), (controllers, CONTROLLERS))
    made.tokens.write_text("".join(f'{token},{user},{user},"system:masters"\n' for token, user in rows))
    return made


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("keyferry local control plane")
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _certificate(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: ec.EllipticCurvePrivateKey, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    names = x509.SubjectAlternativeName(
        [
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.DNSName("localhost"),
            x509.DNSName("kubernetes.default.svc"),
        ]
    )
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    return (
        _certificate(_name("kube-apiserver"), ca.subject, key)
        .add_extension(names, critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=30))
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # The API server reads its service account key in this form only.
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
