# The images of compose.yml. Targets: bell (exchange, api, streamer and engine in one), jupyter.
# Works with BuildKit and with the older builder. Behind a proxy that looks into TLS: put its certificate into docker/ca/*.crt.

FROM debian:bookworm-slim AS base
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8
RUN groupadd -g 10001 bell && useradd -u 10001 -g bell -d /home/bell -m -s /usr/sbin/nologin bell

FROM base AS build
WORKDIR /src
COPY tools/packages.txt tools/
RUN apt-get update -q && sed -n 's/^build  *//p' tools/packages.txt | xargs apt-get install -y -q --no-install-recommends
COPY . .
RUN cmake --preset release -DBUILD_TESTING=OFF && \
    ninja -C build/release $(ninja -C build/release -t targets all | sed -n 's/^\(bin\/bell-[a-z]*\|strategies\/[^ ]*\.so\): .*/\1/p')
# What the programs need at run time, as Debian names it.
RUN mkdir -p /out/bin /out/strategies && cp build/release/bin/bell-* /out/bin/ && cp build/release/strategies/*.so /out/strategies/ && \
    strip /out/bin/* && ldd /out/bin/* | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | sort -u | while read -r f; do \
    dpkg -S "$f" 2>/dev/null || dpkg -S "$(readlink -f "$f")" 2>/dev/null || dpkg -S "/usr$f"; done | cut -d: -f1 | sort -u >/out/packages

FROM base AS bell
COPY --from=build /out/packages /opt/bell/packages
COPY docker/ca /usr/local/share/ca-certificates
RUN apt-get update -q && xargs apt-get install -y -q --no-install-recommends libwebsockets-evlib-uv ca-certificates curl </opt/bell/packages && \
    rm -rf /var/lib/apt/lists/* && update-ca-certificates && \
    for part in exchange streamer engine secret questdb; do install -d -o bell -g bell -m 0700 /var/lib/bell/$part; done
COPY --from=build /out/bin /opt/bell/bin
COPY --from=build /out/strategies /opt/bell/strategies
COPY api/db/server.conf docker/start docker/health /opt/bell/
USER 10001:10001
WORKDIR /
ENTRYPOINT ["/bin/bash", "/opt/bell/start"]

FROM base AS jupyter
COPY docker/ca /usr/local/share/ca-certificates
RUN apt-get update -q && apt-get install -y -q --no-install-recommends python3 python3-venv ca-certificates curl && \
    rm -rf /var/lib/apt/lists/* && update-ca-certificates && install -d -o bell -g bell -m 0755 /work
COPY docker/jupyter.txt /opt/jupyter.txt
RUN python3 -m venv /opt/venv && \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt /opt/venv/bin/pip install -q --no-cache-dir --disable-pip-version-check -r /opt/jupyter.txt
COPY docker/start docker/health /opt/bell/
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["/bin/bash", "/opt/bell/start"]
