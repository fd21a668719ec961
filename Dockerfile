# The server as an image: its one binary, FFmpeg's libraries, and nothing else that Debian's slim image does not have.
#
#   docker build -t whisper-api .
#
# For NVIDIA's GPUs (the images have to be of one distribution, since the binary takes the second one's libraries):
#
#   docker build -t whisper-api:cuda --build-arg FLAGS=--cuda \
#     --build-arg BUILD_IMAGE=nvidia/cuda:12.8.1-devel-ubuntu24.04 \
#     --build-arg RUN_IMAGE=nvidia/cuda:12.8.1-runtime-ubuntu24.04 .
#
# The same file builds for arm64: docker buildx build --platform linux/arm64 .
ARG BUN_VERSION=1.4.5
ARG BUILD_IMAGE=debian:bookworm-slim
ARG RUN_IMAGE=debian:bookworm-slim

FROM oven/bun:${BUN_VERSION} AS bun

# What the build needs (scripts/setup/system.mjs). The binary loads the very versions of FFmpeg's libraries that it was built with, and
# their packages are named after these: the list that is written here is what the last stage installs.
FROM ${BUILD_IMAGE} AS system
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates cmake g++ make pkg-config zlib1g-dev \
      libavcodec-dev libavformat-dev libavutil-dev libswresample-dev \
 && rm -rf /var/lib/apt/lists/* \
 && dpkg-query --show --showformat='${Depends}\n' libavcodec-dev libavformat-dev libavutil-dev libswresample-dev \
      | grep -oE 'lib(avcodec|avformat|avutil|swresample)[0-9]+' | sort -u > /runtime-packages
COPY --from=bun /usr/local/bin/bun /usr/local/bin/bun

# Packages and addon first: they take minutes, and change rarely.
FROM system AS build
ARG FLAGS=--cpu
ARG BUN_INSTALL_CACHE_DIR=/bun-cache
WORKDIR /src
COPY package.json bun.lock bunfig.toml CMakeLists.txt ./
COPY scripts/addon.mjs scripts/
COPY scripts/setup scripts/setup
COPY src/models/lock.mjs src/models/
COPY native native
COPY test/native/programs test/native/programs
RUN --mount=type=cache,target=/bun-cache \
    bun scripts/addon.mjs ${FLAGS} \
 && cmake --build build --target portable --parallel "$(nproc)"
COPY tsconfig.json ./
COPY scripts/binary.mjs scripts/
COPY models/demo.bin models/
COPY src src
RUN --mount=type=cache,target=/bun-cache \
    bun scripts/binary.mjs

FROM ${RUN_IMAGE}
LABEL org.opencontainers.image.title="whisper-api" \
      org.opencontainers.image.description="Self-hosted, OpenAI-compatible speech to text" \
      org.opencontainers.image.licenses="MIT"
COPY --from=system /runtime-packages /usr/share/whisper-api/runtime-packages
RUN apt-get update \
 && xargs apt-get install -y --no-install-recommends ca-certificates < /usr/share/whisper-api/runtime-packages \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 whisper \
 && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin whisper \
 && install -d -o whisper -g whisper /models /data
COPY --from=build /src/dist/whisper-api /usr/local/bin/whisper-api

# A number, so that Kubernetes sees that it is not root.
USER 10001:10001
WORKDIR /data
ENV HOST=0.0.0.0 PORT=8000 MODELS_DIR=/models DATA_DIR=/data
VOLUME ["/models", "/data"]
EXPOSE 8000
# SHUTDOWN_TIMEOUT's 30 s want `docker run --stop-timeout 40`; compose.yaml has it.
STOPSIGNAL SIGTERM
# The first start downloads the model before it listens.
HEALTHCHECK --interval=30s --timeout=6s --start-period=15m --start-interval=2s --retries=3 CMD ["whisper-api", "health"]
ENTRYPOINT ["whisper-api"]
CMD ["serve"]
