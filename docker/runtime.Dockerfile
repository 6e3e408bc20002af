# The server for exported models alone, .tflite or .onnx: no TensorFlow, no OpenCV.
#   docker build --file docker/runtime.Dockerfile --tag yolact:runtime .
#   docker run --rm --publish 127.0.0.1:8500:8500 --volume ./exported:/models/model:ro yolact:runtime
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY constraints.txt setup.cfg pyproject.toml README.md LICENSE ./
COPY runtime runtime
COPY official_yolact official_yolact
# Of the library the server is run and nothing else, which needs none of its other requirements.
RUN python -m venv /opt/yolact \
 && /opt/yolact/bin/pip install --no-cache-dir --constraint constraints.txt \
    './runtime[litert,onnx]' fastapi prometheus-client python-multipart uvicorn \
 && /opt/yolact/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 1000 yolact
COPY --from=build /opt/yolact /opt/yolact
ENV PATH=/opt/yolact/bin:$PATH PYTHONUNBUFFERED=1
USER 1000
WORKDIR /home/yolact
EXPOSE 8500
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "from urllib import request; request.urlopen('http://127.0.0.1:8500/v2/health/ready', timeout=2)"]
ENTRYPOINT ["yolact"]
CMD ["serve", "/models/model", "--host", "0.0.0.0"]
