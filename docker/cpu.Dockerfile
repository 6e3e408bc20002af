# The library with its server, on processors.
#   docker build --file docker/cpu.Dockerfile --tag yolact:cpu .
#   docker run --rm --publish 127.0.0.1:8500:8500 --volume ./exported:/models/model:ro yolact:cpu
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY constraints.txt setup.cfg pyproject.toml README.md LICENSE ./
COPY runtime runtime
COPY official_yolact official_yolact
RUN python -m venv /opt/yolact \
 && /opt/yolact/bin/pip install --no-cache-dir --constraint constraints.txt ./runtime '.[serve,export,video,hub]'

FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 1000 yolact
COPY --from=build /opt/yolact /opt/yolact
ENV PATH=/opt/yolact/bin:$PATH PYTHONUNBUFFERED=1
USER 1000
WORKDIR /home/yolact
EXPOSE 8500
HEALTHCHECK --interval=10s --timeout=3s --start-period=90s \
  CMD ["python", "-c", "from urllib import request; request.urlopen('http://127.0.0.1:8500/v2/health/ready', timeout=2)"]
ENTRYPOINT ["yolact"]
CMD ["serve", "/models/model", "--host", "0.0.0.0"]
