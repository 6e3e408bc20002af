# The library with its server and training, on NVIDIA GPUs; needs the NVIDIA Container Toolkit on the host.
#   docker build --file docker/gpu.Dockerfile --tag yolact:gpu .
#   docker run --rm --gpus all --publish 127.0.0.1:8500:8500 --volume ./runs/mine:/models/model:ro yolact:gpu
#   docker run --rm --gpus all --volume .:/home/yolact yolact:gpu train mine.yaml --model_dir runs/mine
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY constraints.txt setup.cfg pyproject.toml README.md LICENSE ./
COPY runtime runtime
COPY official_yolact official_yolact
# CUDA and cuDNN are those that the pinned TensorFlow names in its extra; constraints.txt has no versions of them.
RUN python -m venv /opt/yolact \
 && /opt/yolact/bin/pip install --no-cache-dir --constraint constraints.txt \
    ./runtime '.[serve,export,video,hub]' 'tensorflow[and-cuda]'

FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 1000 yolact
COPY --from=build /opt/yolact /opt/yolact
ENV PATH=/opt/yolact/bin:$PATH PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
USER 1000
WORKDIR /home/yolact
EXPOSE 8500
HEALTHCHECK --interval=10s --timeout=3s --start-period=90s \
  CMD ["python", "-c", "from urllib import request; request.urlopen('http://127.0.0.1:8500/v2/health/ready', timeout=2)"]
ENTRYPOINT ["yolact"]
CMD ["serve", "/models/model", "--host", "0.0.0.0"]
