// GraphQL over HTTP: queries, mutations, and subscriptions as server-sent events.
import { execute, type ExecutionArgs } from "graphql";
import { createYoga, type Plugin, type YogaServerInstance } from "graphql-yoga";
import { createContext } from "../graphql/create-context.ts";
import type { Context, Services } from "../graphql/context.ts";
import { createDocumentCache } from "../graphql/document-cache.ts";
import { createErrorMask } from "../graphql/errors.ts";
import { schema } from "../graphql/schema.ts";
import type { Viewer } from "../access/viewer.ts";
import type { Logger } from "../log.ts";
import { graphiqlPlugin, withNonces } from "./graphiql-page.ts";
import { limitPlugin } from "./limit-plugin.ts";
import { requestPlugin } from "./request-plugin.ts";
import { subscribe } from "./subscribe.ts";
import { endWithSession, type SessionWatch } from "./worker-subscriptions.ts";

/** What the edge knows of a request before GraphQL sees it. */
export interface EdgeContext {
  readonly viewer: Viewer;
  readonly signal: AbortSignal;
}

export type GraphQLServer = YogaServerInstance<EdgeContext, Context>;

/** Narrow, so that nothing is cut off; tried in a browser by the tests, one after the other. */
const welcome = `# Welcome to Factory. The pink button offers
# these by name: run them one after the other.

# 1. Clones a repository.
mutation Clone {
  cloneRepository(
    input: {
      owner: "octocat"
      name: "Hello-World"
    }
  ) {
    repository { nameWithOwner status }
  }
}

# 2. Starts a worker on a branch of its own.
#    Once more: another worker, another branch.
mutation Dispatch {
  dispatchWorker(
    input: {
      parentSession: "me"
      task: "ls -la && git log --oneline"
      agent: "shell"
      repository: {
        owner: "octocat"
        name: "Hello-World"
      }
    }
  ) {
    worker { name status branch }
  }
}

# 3. Shows what your workers do, as they do it.
#    The button stops it.
subscription Watch {
  workerStatusChanged(
    parentSession: "me"
    after: 0
  ) {
    sequence
    status
    reason
    worker { name branch exitCode }
  }
}

# 4. Shows what the last one printed, and where.
query Look {
  workerSessions(parentSession: "me", last: 1) {
    nodes {
      name
      status
      worktree { path uncommittedFileCount }
      events {
        sequence
        ... on WorkerStatusEvent { status }
        ... on WorkerOutputEvent { text }
      }
    }
  }
}
`;

export function createGraphQLServer(
  services: Services,
  options: { readonly introspection: boolean; readonly logger: Logger },
): GraphQLServer {
  const mask = createErrorMask(options.logger);
  return createYoga<EdgeContext, Context>({
    schema,
    graphqlEndpoint: "/graphql",
    // The HTTP server's, which keeps a text as it is; Yoga's own has it copied through a stream.
    fetchAPI: { Response },
    landingPage: false,
    batching: false,
    cors: false,
    multipart: false,
    // Errors of requests are logged where they are masked; these are Yoga's own words.
    logging: {
      debug: (...words) => {
        options.logger.trace({ words }, "graphql-yoga");
      },
      info: (...words) => {
        options.logger.debug({ words }, "graphql-yoga");
      },
      warn: (...words) => {
        options.logger.debug({ words }, "graphql-yoga");
      },
      error: (...words) => {
        options.logger.debug({ words }, "graphql-yoga");
      },
    },
    graphiql: {
      title: "Factory",
      subscriptionsProtocol: "WS",
      defaultQuery: welcome,
      credentials: "same-origin",
    },
    // From the package, with nothing loaded from another host. It holds 45 MB once loaded, which a server
    // that nobody opens in a browser does without.
    async renderGraphiQL(options) {
      const { renderGraphiQL } = await import("@graphql-yoga/render-graphiql");
      return withNonces(renderGraphiQL(options));
    },
    context: ({ viewer, signal }) => createContext(services, viewer, signal),
    maskedErrors: { maskError: (error) => mask(error) },
    // The limits' plugin remembers what passed; Yoga would also where that depends on the variables.
    parserAndValidationCache: {
      documentCache: createDocumentCache(),
      errorCache: noErrors,
      validationCache: false,
    },
    plugins: [
      requestPlugin,
      graphiqlPlugin,
      executorPlugin,
      limitPlugin(options.introspection),
      sessionPlugin({ ...services, ...options }),
    ],
  });
}

/** A document that is malformed doesn't come again and again. */
const noErrors = { get: () => undefined, set: () => undefined };

/** Of one answer: where each of thousands of fields fails, the first tell why. */
const mostErrors = 100;

/** graphql's own executor: a list of 100 takes a tenth longer with Yoga's. */
const executorPlugin: Plugin<Context> = {
  onExecute({ setExecuteFn }) {
    setExecuteFn(execute);
    return {
      onExecuteDone({ result, setResult }) {
        if (!("errors" in result) || result.errors.length <= mostErrors) return;
        setResult({ ...result, errors: result.errors.slice(0, mostErrors) });
      },
    };
  },
  onSubscribe({ args, setSubscribeFn }) {
    const { signal } = args.contextValue;
    setSubscribeFn((given: ExecutionArgs) => subscribe(given, signal));
  },
};

function sessionPlugin(watch: SessionWatch): Plugin<Context> {
  return {
    onSubscribe({ args }) {
      const { viewer } = args.contextValue;
      return {
        onSubscribeResult({ result, setResult }) {
          if (isGenerator(result)) setResult(endWithSession(result, viewer, watch));
        },
      };
    },
  };
}

/** A subscription that stands, rather than the errors for which it was refused. */
function isGenerator<T>(result: AsyncIterable<T> | object): result is AsyncGenerator<T> {
  return Symbol.asyncIterator in result;
}
