# Any image with Node 20.19 or later and npm, of Alpine's or of Debian's kind.
ARG NODE_IMAGE=node:20-alpine

# What the service needs of other packages.
FROM ${NODE_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
# A quarter of it are types and source maps, which nothing reads in a container.
RUN node -e 'for (const file of fs.readdirSync("node_modules", { recursive: true })) if (/\.([cm]?ts|map)$/.test(file)) fs.rmSync("node_modules/" + file)'

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Without scripts: "prepare" would build before the sources are there. What is optional are programs for checks.
RUN npm ci --omit=optional --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run -s build

FROM ${NODE_IMAGE}
WORKDIR /app
ENV NODE_ENV=production
# What the health check asks; change it together with server.addr.
ENV HEALTH_URL=http://127.0.0.1:8181/health
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json capabilities.json LICENSE ./
COPY console console
COPY examples/groups examples/groups
# A number, as base images differ in the names of their users; nothing in the image is theirs to change.
USER 1000:1000
EXPOSE 8181
# Node itself asks: not every base image has curl or wget.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch(process.env.HEALTH_URL).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["serve", "--config", "/etc/nats-opa-bridge/config.yaml"]
