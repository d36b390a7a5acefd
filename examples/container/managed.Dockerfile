# A function on one of AWS's own base images, whose entry point heeds AWS_LAMBDA_EXEC_WRAPPER as Lambda's runtimes do.
#
#   docker build --platform linux/amd64 -f examples/container/managed.Dockerfile \
#     --build-arg LAYER=strongroom-layer --build-arg BASE=AWS_BASE_IMAGE --tag function examples/python/src
ARG BASE
ARG LAYER=strongroom-layer
FROM ${LAYER} AS layer
FROM ${BASE}
COPY --from=layer /opt/ /opt/
ENV AWS_LAMBDA_EXEC_WRAPPER=/opt/strongroom/exec
# LAMBDA_TASK_ROOT is set by the base image.
COPY app.py ${LAMBDA_TASK_ROOT}/
CMD ["app.handler"]
