# Tagwarden in a container; docs/compose.md says how to run it. Any builder will do: nothing in here needs BuildKit.

FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc tsconfig.json ./
COPY config/tsconfig.build.json config/
COPY src src/
ENV NPM_CONFIG_IGNORE_SCRIPTS=true NPM_CONFIG_AUDIT=false NPM_CONFIG_FUND=false NPM_CONFIG_UPDATE_NOTIFIER=false
# One step, for the tools are twenty thousand files: to store them as a layer takes longer than to fetch them again.
# What stays is what the lock file says without them.
RUN npm ci \
  && npm run build \
  && npm ci --omit=dev --prefer-offline \
  && chmod 755 dist/main.js \
  && rm -r ~/.npm

FROM node:24-slim
# The working directory is the one place that is written to: the journal of claims and the signing key, by default.
RUN mkdir /var/lib/tagwarden \
  && chown 1000:1000 /var/lib/tagwarden \
  && ln -s /opt/tagwarden/dist/main.js /usr/local/bin/tagwarden
COPY package.json LICENSE /opt/tagwarden/
COPY --from=build /build/node_modules /opt/tagwarden/node_modules
COPY --from=build /build/dist /opt/tagwarden/dist

# Within a container 127.0.0.1 is the container alone: docker clients come from outside, probes from inside.
# Bytes that pass through are read into memory that glibc would give back to the kernel, and fetch anew page by page.
ENV NODE_ENV=production \
  MALLOC_TRIM_THRESHOLD_=134217728 \
  MALLOC_MMAP_THRESHOLD_=4194304 \
  TAGWARDEN_LISTEN=0.0.0.0:8080 \
  TAGWARDEN_ADMIN_LISTEN=127.0.0.1:9090
EXPOSE 8080
WORKDIR /var/lib/tagwarden
VOLUME /var/lib/tagwarden
# The image's user `node`, as numbers: Kubernetes cannot tell from a name that it is not root.
USER 1000:1000

# Alive, not ready: who acts on this (Swarm, a watchdog) kills, and a Tagwarden that cannot judge writes still serves
# reads. Who waits for a start asks /readyz instead, as docker-compose.yml does.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://${process.env.TAGWARDEN_ADMIN_LISTEN}/livez`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]

ENTRYPOINT ["tagwarden"]
CMD ["serve"]

ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tagwarden" \
  org.opencontainers.image.description="A front door for a container registry: protected repositories, protected tags and immutable tags." \
  org.opencontainers.image.version="0.1.0" \
  org.opencontainers.image.revision="$REVISION" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.base.name="node:24-slim"
