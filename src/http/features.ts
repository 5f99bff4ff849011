import type { TSchema } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import type { Tx } from '../database/transaction.ts'
import type { ApiError } from './errors.ts'

/** Reads rows by id, from the one after `after`. */
export type ReadPage = (tx: Tx, after: string, limit: number) => Promise<readonly { id: string }[]>

/** One member of the export: the user's rows of one table. */
export interface ExportPart {
  /** The schema of a row, which has an `$id`. */
  schema: TSchema
  readPage: ReadPage
}

/** What a feature tells the parts that serve all features. */
export interface Feature {
  /** Its tag in the OpenAPI document, and the description of that. */
  name: string
  description: string
  /** Constraints of its tables that a client can violate, and the client error for each. */
  constraints?: Record<string, () => ApiError>
  /** The members that it adds to /me/export. */
  exports?: Record<string, ExportPart>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Registers a feature. @throws {Error} when it is too late for its rows to be in the export */
    addFeature(feature: Feature): void
    /** The registered features, in the order of their registration. */
    features: readonly Feature[]
    /** All parts of the export. Called once, by the feature that serves the export and is registered last. */
    takeExports(): Record<string, ExportPart>
  }
}

/** Lets features register what the error handler, the OpenAPI document and the export need to know of them. */
export default fp(
  async (app) => {
    const features: Feature[] = []
    let taken = false
    app.decorate('features', features)
    app.decorate('addFeature', (feature) => {
      if (taken && feature.exports)
        throw new Error(`Register ${feature.name} before account, which exports its rows.`)
      features.push(feature)
    })
    app.decorate('takeExports', () => {
      taken = true
      return Object.assign({}, ...features.map((feature) => feature.exports))
    })
  },
  { name: 'features' },
)
