# Two stages: the first bundles nothing, it only installs what the lockfile says; the second runs the sources as they are.
FROM node:24-slim AS install
WORKDIR /app
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml turbo.json tsconfig.base.json ./
COPY patches ./patches
COPY apps ./apps
COPY packages ./packages
# The image brings Node itself, so the optional Node packages of the workspace stay out.
RUN npx -y pnpm@12.21.0 install --frozen-lockfile --prod --no-optional

FROM node:24-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=4000 TOOLGATE_DATA_DIR=/data
WORKDIR /app
COPY --from=install --chown=node:node /app ./
COPY --chown=node:node migrations ./migrations
COPY --chown=node:node config.yaml ./
RUN mkdir /data && chown node:node /data
USER node
EXPOSE 4000
VOLUME /data
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/health/readiness').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "apps/proxy/src/main.ts"]
