import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** Makes a certificate for localhost that is its own authority. @returns the files of the certificate and its key */
export function makeCertificate(folder: string): { certificate: string; key: string } {
  const [key, certificate] = [join(folder, 'tls.key'), join(folder, 'tls.crt')]
  const kind =
    '-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost'
  const files = ['-keyout', key, '-out', certificate]
  execFileSync('openssl', ['req', ...kind.split(' '), ...files], { stdio: 'ignore' })
  return { certificate, key }
}
