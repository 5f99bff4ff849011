import { execFileSync, spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import postgres from 'postgres'
import { progress } from '../report.ts'
import type { Database } from '../service.ts'

/** A running server whose GET /todos is measured. */
export interface Lane {
  /** With its versions. */
  name: string
  url: string
  token: string
  pid: number
  stop(): Promise<void>
}

const PACKAGES = {
  'drizzle-orm': '0.45.4',
  express: '5.3.0',
  jsonwebtoken: '9.0.3',
  pg: '8.23.1',
  '@platformatic/db': '2.61.0',
}
const SECRET = 'only-for-the-benchmark-only-for-the-benchmark'
/** Kept, so that the next run need not install again. */
const folder = join(tmpdir(), 'todo-api-peers')

/** Installs the peers' packages into a temporary folder. Returns whether that worked. */
function install(): boolean {
  mkdirSync(folder, { recursive: true })
  cpSync(new URL('.', import.meta.url), folder, { recursive: true })
  const wanted = JSON.stringify({ private: true, dependencies: PACKAGES })
  const file = join(folder, 'package.json')
  if (existsSync(join(folder, 'node_modules')) && readFileSync(file, 'utf8') === wanted) return true
  progress(`installing the peers into ${folder}`)
  writeFileSync(file, wanted)
  try {
    const args = ['install', '--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts', '--silent']
    execFileSync('npm', args, { cwd: folder, stdio: 'inherit' })
    return true
  } catch {
    return false
  }
}

/** Creates the tables of the peers, with 100 todos for each of 300 users. Returns the URL and a user's id. */
async function prepareDatabase({ admin, ownerUrl }: Database): Promise<{ url: string; user: string }> {
  const { username } = new URL(ownerUrl)
  await admin.unsafe(`create database peers owner ${username}`)
  const url = Object.assign(new URL(ownerUrl), { pathname: '/peers' }).href
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  await sql.unsafe(`
    create table users (id uuid primary key, email text not null);
    create table todos (
      id uuid primary key, user_id uuid not null references users (id), title text not null,
      completed boolean not null default false,
      created_at timestamptz not null default now(), updated_at timestamptz not null default now());
    insert into users select gen_random_uuid(), 'user' || n || '@example.com' from generate_series(1, 300) n;
    insert into todos (id, user_id, title)
      select gen_random_uuid(), u.id, 'todo number ' || n from users u, generate_series(1, 100) n;
    create index on todos (user_id, id);
    analyze`)
  const [row] = await sql<{ id: string }[]>`select id from users limit 1`
  await sql.end()
  return { url, user: `${row?.id}` }
}

function signToken(sub: string): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const exp = Math.floor(Date.now() / 1000) + 3600
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub, role: 'user', exp })}`
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`
}

async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Starts a program on a free port, and waits until it returns todos; undefined when it does not. */
async function start(name: string, command: string, args: string[], url: string, token: string) {
  const port = `${await findPort()}`
  const child = spawn(
    command,
    args.map((arg) => arg.replace('PORT', port)),
    {
      cwd: folder,
      env: { ...process.env, PORT: port, DATABASE_URL: url, JWT_SECRET: SECRET, NODE_ENV: 'production' },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  const ended = new Promise<void>((resolve) =>
    child.once('exit', () => resolve()).once('error', () => resolve()),
  )
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
  }
  const address = `http://127.0.0.1:${port}/todos?limit=20`
  for (let n = 0; n < 200 && child.exitCode === null; n++) {
    const response = await fetch(address, { headers: { authorization: `Bearer ${token}` } }).catch(() => {})
    if (response?.ok && ((await response.json()) as object[]).length === 20)
      return { name, url: address, token, pid: child.pid as number, stop }
    await setTimeout(100)
  }
  await stop()
  return void progress(`${name} does not start: it is left out`)
}

const PYTHON = `import fastapi, sqlalchemy, asyncpg, uvicorn, jwt
print(f"FastAPI {fastapi.__version__} + SQLAlchemy {sqlalchemy.__version__}")`

/** Starts the peers whose programs are there, and says which are left out. */
export async function startPeers(database: Database): Promise<Lane[]> {
  const { url, user } = await prepareDatabase(database)
  const token = signToken(user)
  const lanes: (Lane | undefined)[] = []
  if (install()) {
    const node = process.execPath
    const express = `Express ${PACKAGES.express} + Drizzle ${PACKAGES['drizzle-orm']}`
    lanes.push(await start(express, node, ['express.mjs'], url, token))
    const platformatic = `Platformatic DB ${PACKAGES['@platformatic/db']}`
    lanes.push(await start(platformatic, node, ['platformatic.mjs'], url, token))
  } else progress('npm cannot install the peers of Node: they are left out')
  try {
    const name = execFileSync('python3', ['-c', PYTHON], { encoding: 'utf8', stdio: 'pipe' }).trim()
    const args = ['-m', 'uvicorn', 'fastapi_app:app', '--port', 'PORT', '--log-level', 'warning']
    lanes.push(await start(name, 'python3', args, url.replace(/^\w+:/, 'postgresql+asyncpg:'), token))
  } catch {
    progress('FastAPI is left out: it needs fastapi, sqlalchemy, asyncpg, uvicorn and PyJWT for python3')
  }
  return lanes.filter((lane) => lane !== undefined)
}
