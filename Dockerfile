FROM node:24-bookworm-slim AS build
WORKDIR /opt/latchkey
COPY . .
RUN npm ci
RUN npm run build
RUN npm prune --omit=dev

FROM node:24-bookworm-slim
WORKDIR /opt/latchkey
ENV NODE_ENV=production HOST=0.0.0.0 DATABASE_URL=sqlite:/var/lib/latchkey/latchkey.db
RUN install --directory --owner=node /var/lib/latchkey
VOLUME /var/lib/latchkey
COPY --from=build /opt/latchkey/package.json ./
COPY --from=build /opt/latchkey/dist ./dist
COPY --from=build /opt/latchkey/node_modules ./node_modules
USER node
EXPOSE 4000
HEALTHCHECK CMD ["node", "-e", "fetch('http://127.0.0.1:4000/readyz').then(({ ok }) => process.exit(ok ? 0 : 1))"]
CMD ["node", "dist/cli.js", "serve"]
