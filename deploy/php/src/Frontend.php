<?php

declare(strict_types=1);

namespace Purser;

/** `/s3.php`: reads a request, asks the service that answers its action, and shows the reply as it is. */
final class Frontend
{
    private const IDEMPOTENCY_KEY_BYTES_MAX = 255;

    public function __construct(
        private readonly Config $config,
        private readonly Publisher $publisher,
        private readonly Poster $gateway,
    ) {
    }

    /** The answer to a request, whatever happens. */
    public function answer(HttpRequest $http): Answer
    {
        try {
            return $this->tryAnswer($http);
        } catch (Fault $fault) {
            return $fault->answer;
        }
    }

    private function tryAnswer(HttpRequest $http): Answer
    {
        if (!in_array($http->method, ['GET', 'HEAD', 'POST'], true)) {
            return Answers::methodNotAllowed(null, 'GET, POST');
        }
        $parameters = Parameters::read($http->query, $http->header('content-type') ?? '', $http->body);
        $action = self::action($http, $parameters);
        $token = Parameters::takeText($parameters, 'token') ?? $http->bearer()
            ?? throw new Fault(Answers::tokenRequired());
        $address = $http->clientAddress($this->config->trustedProxies);
        $tokens = new Tokens($this->gateway, $this->config->tokenCacheSeconds);
        $principal = $tokens->principal($token, $address);
        $waitSeconds = $this->waitSeconds($action, $parameters);
        $request = new Request(
            $action,
            $parameters,
            $principal,
            self::messageId($http->header('idempotency-key')),
            (float) $waitSeconds,
            traceparent: $http->header('traceparent'),
        );

        return $this->ask($request, $waitSeconds, $token, $address);
    }

    /** @param array<array-key, mixed> $parameters */
    private static function action(HttpRequest $http, array &$parameters): Action
    {
        $name = Parameters::takeText($parameters, 'action') ?? throw new Fault(Answers::actionRequired());
        $action = Actions::find($name);
        if ($action === null || !$action->inS3Php) {
            throw new Fault(Answers::unknownAction($name));
        }
        if ($action->postOnly && $http->method !== 'POST') {
            throw new Fault(Answers::methodNotAllowed($action->name, 'POST'));
        }

        return $action;
    }

    /**
     * The parameter `wait`; queries are always waited for.
     *
     * @param array<array-key, mixed> $parameters
     */
    private function waitSeconds(Action $action, array &$parameters): int
    {
        $most = (int) $this->config->replyWaitSeconds;
        if ($action->kind === Kind::Query) {
            return $most;
        }
        $wait = Parameters::takeText($parameters, 'wait') ?? (string) $most;
        if (!preg_match('/^\+?\d{1,9}$/D', $wait) || (int) $wait > $most) {
            throw new Fault(Answers::invalid("wait must be an integer from 0 to $most (seconds)"));
        }

        return (int) $wait;
    }

    /** The id under which a command is done once: a UUID as it is, any other key as the UUID that it always makes. */
    private static function messageId(?string $key): ?string
    {
        if ($key === null) {
            return null;
        }
        $key = mb_check_encoding($key, 'UTF-8') ? Parameters::trim($key) : '';
        if ($key === '' || strlen($key) > self::IDEMPOTENCY_KEY_BYTES_MAX) {
            $most = self::IDEMPOTENCY_KEY_BYTES_MAX;
            $rule = "Idempotency-Key must be a UUID or another text of 1 to $most bytes";
            throw new Fault(Answers::badRequest($rule));
        }

        return Uuid::parse($key) ?? Uuid::v5($key);
    }

    private function ask(
        Request $request,
        int $waitSeconds,
        #[\SensitiveParameter] string $token,
        string $address,
    ): Answer {
        try {
            if ($waitSeconds > 0) {
                return Answers::reply($this->publisher->call($request));
            }
            $this->publisher->send($request);

            return $this->callback($request, $token, $address) ?? Answers::timedOut($request->messageId, 0);
        } catch (TimedOut $error) {
            $callback = $error->mayHaveBeenDone ? $this->callback($request, $token, $address) : null;

            return $callback ?? Answers::publishError($error, $request, $waitSeconds);
        } catch (PublishError $error) {
            self::log($request, $error);

            return Answers::publishError($error, $request, $waitSeconds);
        } catch (\LengthException) {
            // It fitted into the body, but doesn't fit into a message.
            return Answers::bodyTooLarge($this->config->bodyBytesMax);
        } catch (\InvalidArgumentException $error) {
            return Answers::badRequest($error->getMessage());
        } catch (\UnexpectedValueException $error) {
            self::log($request, $error);

            return Answers::unreadable();
        }
    }

    private static function log(Request $request, \Exception $error): void
    {
        error_log("purser: {$request->action->name} {$request->messageId}: {$error->getMessage()}");
    }

    /** A key that leads to the command's state; null where the gateway gives none. */
    private function callback(Request $request, #[\SensitiveParameter] string $token, string $address): ?Answer
    {
        $form = [
            'action' => 'register',
            'token' => $token,
            'message_id' => $request->messageId,
            'command' => $request->action->name,
        ];
        $reply = $this->gateway->post('/eq_callback.php', $form, $address);
        $key = $reply?->body->key ?? null;

        return $reply?->status === 200 && is_string($key)
            ? Answers::callback($request->action->name, $key, $request->messageId)
            : null;
    }
}
