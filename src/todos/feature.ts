import { quotaExceeded } from '../http/errors.ts'
import type { Feature } from '../http/features.ts'
import { Todo } from './schema.ts'
import { exportTodos } from './sql.ts'
import { exportTrash } from './trash.ts'
import { TrashedTodo } from './trash-schema.ts'

/** @param maxTodos the number of todos that a user can have */
export const createFeature = (maxTodos: number): Feature => ({
  name: 'todos',
  description: "The user's own todos.",
  constraints: { todos_quota: () => quotaExceeded('todos', maxTodos) },
  exports: {
    todos: { schema: Todo, readPage: exportTodos },
    trashed_todos: { schema: TrashedTodo, readPage: exportTrash },
  },
})
