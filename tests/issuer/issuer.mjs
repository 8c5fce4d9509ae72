// An OpenID provider that gives access tokens to programs (client credentials), and to pages (authorization code with
// PKCE) for whoever comes: everybody is logged in as one person, who agrees to everything. Its configuration is JSON on
// the standard input: {port, audience, algorithm, jwks, clients: {id: {secret, claims}},
// pages: {id: {redirectUri, claims}}}. It prints "ready" when it listens.
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { Provider } from "oidc-provider";

const { port, audience, algorithm, jwks, clients, pages } = JSON.parse(await text(process.stdin));

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks,
  clients: [
    ...Object.entries(clients).map(([id, { secret }]) => ({
      client_id: id,
      client_secret: secret,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: algorithm,
    })),
    ...Object.entries(pages).map(([id, { redirectUri }]) => ({
      client_id: id,
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code"],
      redirect_uris: [redirectUri],
      response_types: ["code"],
      post_logout_redirect_uris: [redirectUri],
      id_token_signed_response_alg: algorithm,
    })),
  ],
  clientBasedCORS: (_context, origin, client) => pages[client.clientId]?.redirectUri.startsWith(origin) ?? false,
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
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
  extraTokenClaims: (_context, token) => ({ ...clients, ...pages })[token.clientId].claims,
});

async function agree(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === "login") {
    return provider.interactionFinished(request, response, { login: { accountId: "j.devries" } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope("openid");
  grant.addResourceScope(audience, "twin");
  const result = { consent: { grantId: await grant.save() } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

const answer = provider.callback();
createServer((request, response) => {
  if (request.url.startsWith("/interaction/")) agree(request, response).catch((error) => response.destroy(error));
  else answer(request, response);
}).listen(port, "127.0.0.1", () => console.log("ready"));
