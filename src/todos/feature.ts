import type { Feature } from '../http/features.ts'
import { Todo } from './schema.ts'
import { exportTodos } from './sql.ts'
import { exportTrash } from './trash.ts'
import { TrashedTodo } from './trash-schema.ts'

export const feature: Feature = {
  name: 'todos',
  description: "The user's own todos.",
  exports: {
    todos: { schema: Todo, readPage: exportTodos },
    trashed_todos: { schema: TrashedTodo, readPage: exportTrash },
  },
}
