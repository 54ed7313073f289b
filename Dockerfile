# The service in one image: locked dependencies in the first stage, nothing that builds in the second.
FROM python:3.13-slim AS build
WORKDIR /srv
ENV UV_PROJECT_ENVIRONMENT=/srv/.venv UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy
RUN pip install --no-cache-dir uv==0.13.9
COPY pyproject.toml uv.lock .python-version README.md ./
RUN uv sync --frozen --no-dev --no-install-project --compile-bytecode
COPY app app
COPY analysis analysis
COPY migrations migrations
RUN uv sync --frozen --no-dev --no-editable --compile-bytecode

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home pilotlight && install -d -o pilotlight /srv/var
WORKDIR /srv
COPY --from=build /srv/.venv /srv/.venv
ENV PATH=/srv/.venv/bin:$PATH PILOTLIGHT_VAR_DIR=/srv/var PILOTLIGHT_HOST=0.0.0.0
USER pilotlight
VOLUME /srv/var
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health/ready', timeout=2)"]
CMD ["pilotlight", "serve"]
