# The operator's image. BASE is any image with Python 3.11 or newer; both stages must use the same one.
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
WORKDIR /src
# Two environments: what builds the wheel is not needed to run it.
RUN python3 -m venv /opt/build && python3 -m venv /opt/keyferry
COPY requirements-build.lock requirements-runtime.lock ./
# Behind a mirror or an intercepting proxy these two files are given as build secrets; no layer keeps them.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    /opt/build/bin/pip install --no-cache-dir --require-hashes --no-deps --requirement requirements-build.lock \
 && /opt/keyferry/bin/pip install --no-cache-dir --require-hashes --no-deps --requirement requirements-runtime.lock
COPY pyproject.toml README.md ./
COPY operator operator
RUN /opt/build/bin/python -m hatchling build --target wheel --directory /src/dist \
 && /opt/keyferry/bin/pip install --no-cache-dir --no-deps --no-index /src/dist/*.whl \
 # Its root is read-only when it runs, so what Python would cache is compiled now; pip has no business there.
 && /opt/keyferry/bin/python -m compileall -q -j 0 /opt/keyferry/lib \
 && /opt/keyferry/bin/pip uninstall --yes --quiet pip setuptools

FROM ${BASE}
COPY --from=build /opt/keyferry /opt/keyferry
ENV PATH=/opt/keyferry/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /
EXPOSE 8080
ENTRYPOINT ["keyferry"]
CMD ["run"]
