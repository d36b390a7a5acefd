# The layer as an image of its own, for both processors: two static executables and nothing else. Others copy from it.
#
#   cargo xtask layer
#   unzip -o target/layer/strongroom-layer-x86_64.zip -d target/layer/image/amd64
#   unzip -o target/layer/strongroom-layer-arm64.zip -d target/layer/image/arm64
#   docker buildx build --platform linux/amd64,linux/arm64 -f examples/container/layer.Dockerfile \
#     --tag strongroom-layer target/layer/image
FROM scratch
# What Docker calls the processor: amd64 or arm64.
ARG TARGETARCH
# Lambda executes what lies in /opt/extensions: it must be executable whatever the context has lost on its way.
COPY --chmod=0755 ${TARGETARCH}/ /opt/
