// @ts-nocheck: its packages are not dependencies of this project.
// Express 5 with Drizzle: the token is verified, the user is read, and the handler filters by owner.
import { desc, eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { boolean, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core'
import express from 'express'
import jwt from 'jsonwebtoken'
import pg from 'pg'

const { DATABASE_URL, JWT_SECRET, PORT } = process.env
const db = drizzle(new pg.Pool({ connectionString: DATABASE_URL, max: 10 }))
const time = (name) => timestamp(name, { withTimezone: true }).notNull().defaultNow()
const users = pgTable('users', { id: uuid().primaryKey(), email: text().notNull() })
const todos = pgTable('todos', {
  id: uuid().primaryKey(),
  user_id: uuid().notNull(),
  title: text().notNull(),
  completed: boolean().notNull(),
  created_at: time('created_at'),
  updated_at: time('updated_at'),
})

const app = express()
app.use(async (req, res, next) => {
  const [, token = ''] = (req.get('authorization') ?? '').split(' ')
  let claims
  try {
    claims = jwt.verify(token, JWT_SECRET, { algorithms: ['HS256'] })
  } catch {
    return res.sendStatus(401)
  }
  const [user] = await db.select().from(users).where(eq(users.id, claims.sub))
  if (!user) return res.sendStatus(401)
  req.user = user
  next()
})
app.get('/todos', async (req, res) => {
  const limit = Math.min(Number(req.query.limit ?? 20), 100)
  const own = db.select().from(todos).where(eq(todos.user_id, req.user.id))
  res.json(await own.orderBy(desc(todos.id)).limit(limit))
})
app.listen(Number(PORT), '127.0.0.1')
