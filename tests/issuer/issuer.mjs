// An OpenID provider that gives access tokens to programs (client credentials). Its configuration is JSON on
// the standard input: {port, audience, jwks, clients: {id: {secret, claims}}}. It prints "ready" when it listens.
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { Provider } from "oidc-provider";

const { port, audience, algorithm, jwks, clients } = JSON.parse(await text(process.stdin));

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks,
  clients: Object.entries(clients).map(([id, { secret }]) => ({
    client_id: id,
    client_secret: secret,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
    id_token_signed_response_alg: algorithm,
  })),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      getResourceServerInfo: () => ({
        audience,
        scope: "twin",
        accessTokenFormat: "jwt",
        accessTokenTTL: 900,
        jwt: { sign: { alg: algorithm } },
      }),
    },
  },
  extraTokenClaims: (_context, token) => clients[token.clientId].claims,
});

createServer(provider.callback()).listen(port, "127.0.0.1", () => console.log("ready"));
