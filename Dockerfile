# The operator's image; docs/image.md tells what is in it. BASE is any image with Python 3.11 or newer and its venv
# module; all stages stand on it. The digest is that of 3.11.16, for every architecture, in Docker's official record.
ARG BASE=docker.io/library/python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b

FROM ${BASE} AS dependencies
WORKDIR /src
# Two environments: neither pip nor what builds the wheel and its SBOM is needed to run it.
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/keyferry
COPY requirements-build.lock requirements-runtime.lock ./
# Behind a mirror or an intercepting proxy these two files are given as build secrets; no layer keeps them.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    options="--disable-pip-version-check --no-cache-dir --no-compile --require-hashes --no-deps" \
 && /opt/build/bin/pip install $options --requirement requirements-build.lock \
 && /opt/build/bin/pip --python /opt/keyferry/bin/python install $options --requirement requirements-runtime.lock
# What nothing here loads, 170 MB of it: AWS services that are not asked, the classes of every Kubernetes resource (ours
# are plain JSON; the client itself loads three), sources of what is compiled. Then bytecode, which a read-only root cannot keep later.
RUN cd /opt/keyferry/lib/python3*/site-packages \
 && find botocore/data -mindepth 1 -maxdepth 1 -type d \
        ! -name secretsmanager ! -name sqs ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -r {} + \
 && find kubernetes/client kubernetes/aio/client '(' -path '*/api/*_api.py' -o -path '*/models/v*_*.py' ')' \
        ! -name v1_object_meta.py ! -name v1_owner_reference.py ! -name v1_managed_fields_entry.py -delete \
 && find . -type f '(' -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' ')' -delete \
 && /opt/keyferry/bin/python -m compileall -q -j 0 /opt/keyferry/lib

FROM dependencies AS keyferry
COPY pyproject.toml README.md ./
RUN mkdir /sbom \
 && /opt/build/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
        --output-format JSON --output-file /sbom/sbom.cdx.json /opt/keyferry/bin/python
COPY operator operator
# Beside its dependencies: a new Keyferry with the same ones is a layer of some hundred kilobytes.
RUN /opt/build/bin/python -m hatchling build --target wheel --directory dist \
 && /opt/build/bin/pip --python /opt/keyferry/bin/python install --no-cache-dir --no-compile --no-deps --no-index \
        --prefix /own dist/*.whl \
 && /opt/keyferry/bin/python -m compileall -q -s /own -p /opt/keyferry /own/lib

FROM ${BASE}
COPY --from=dependencies /opt/keyferry /opt/keyferry
COPY --from=keyferry /sbom /usr/share/keyferry
COPY --from=keyferry /own /opt/keyferry
ENV PATH=/opt/keyferry/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /
EXPOSE 8080
ENTRYPOINT ["keyferry"]
CMD ["run"]
