# A function with an entry point of its own, on any base: debian, alpine, distroless, or scratch for a static program.
#
#   docker build --platform linux/amd64 -f examples/container/own.Dockerfile \
#     --build-arg LAYER=strongroom-layer --build-arg BASE=scratch --tag function FOLDER_WITH_APP
ARG BASE=scratch
ARG LAYER=strongroom-layer
FROM ${LAYER} AS layer
FROM ${BASE}
COPY --from=layer /opt/ /opt/
COPY --chmod=0755 app /app
# The extension then registers at once, and the wrapper holds the program back until its variables and files are there.
ENV STRONGROOM_WAIT=wrapper
# In JSON: without brackets Docker would start a shell, which scratch and distroless do not have.
ENTRYPOINT ["/opt/strongroom/exec", "/app"]
