import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { rememberingRouter } from './remembering-router.ts'

function createApp() {
  return new Hono({ router: rememberingRouter() })
    .use('*', async (context, next) => {
      await next()
      context.header('x-seen', 'yes')
    })
    .get('/things/all', (context) => context.text('all'))
    .post('/things/all', (context) => context.text('posted'))
    .get('/things/:id', (context) => context.text(context.req.param('id')))
}

describe('a path that was asked for before', () => {
  it('is answered as the first time: by its own method’s route, behind the middlewares', async () => {
    const app = createApp()
    const ask = async (path: string, method = 'GET') => {
      const answer = await app.request(path, { method })
      return [answer.status, answer.headers.get('x-seen'), await answer.text()]
    }
    for (let time = 0; time < 2; time += 1) {
      expect(await ask('/things/all')).toEqual([200, 'yes', 'all'])
      expect(await ask('/things/all', 'POST')).toEqual([200, 'yes', 'posted'])
      expect((await ask('/things/all', 'DELETE'))[0]).toBe(404)
      expect(await ask('/things/1')).toEqual([200, 'yes', '1'])
      expect(await ask('/things/2')).toEqual([200, 'yes', '2'])
    }
  })

  it('reaches a route that was added since', async () => {
    const router = rememberingRouter<string>()
    router.add('GET', '/things/all', 'all')
    router.match('GET', '/things/all')
    router.add('ALL', '*', 'every')
    expect(router.match('GET', '/things/all')[0].map(([handler]) => handler)).toEqual(['all', 'every'])
  })
})
