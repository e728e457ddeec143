import { Agent, createServer } from 'node:http';
import httpProxy from 'http-proxy';

// node config/bench/http-proxy-peer.mjs UPSTREAM PORT: a peer to measure against, and nothing to run before a registry
// (CVE-2026-29057).
const [target, port] = process.argv.slice(2);
const proxy = httpProxy.createProxyServer({ target, xfwd: true, agent: new Agent({ keepAlive: true }) });
proxy.on('error', (_error, _req, res) => res.destroy());
createServer({ requestTimeout: 0, keepAliveTimeout: 100_000 }, (req, res) => proxy.web(req, res)).listen(
  Number(port),
  '127.0.0.1',
);
