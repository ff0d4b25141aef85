<?php

declare(strict_types=1);

namespace Purser;

/** Everything that is answered without a service's reply, worded as the gateway words it. */
final class Answers
{
    private const RETRY_AFTER = ['Retry-After' => '5'];
    private const BEARER = ['WWW-Authenticate' => 'Bearer'];
    private const ACTION_CHARS_SHOWN = 64;

    public static function reply(Reply $reply): Answer
    {
        return new Answer(200, $reply->json);
    }

    /** The command goes on; the key leads to its state. */
    public static function callback(string $action, string $key, string $commandId): Answer
    {
        $body = ['result' => 'OK', 'action' => $action, 'callback' => $key];

        return new Answer(200, Encoding::json($body), self::idempotencyKey($commandId));
    }

    public static function actionRequired(): Answer
    {
        return self::failure(200, 'action required');
    }

    public static function unknownAction(string $name): Answer
    {
        return self::failure(200, 'unknown action "' . mb_substr($name, 0, self::ACTION_CHARS_SHOWN) . '"');
    }

    /** @param ?string $action null where the path itself takes other methods */
    public static function methodNotAllowed(?string $action, string $allow): Answer
    {
        return self::failure(405, ($action ?? 'this path') . " must be called by $allow", ['Allow' => $allow]);
    }

    public static function tokenRequired(): Answer
    {
        return self::unauthorized('token required');
    }

    /** What the gateway said about the token. */
    public static function unauthorized(string $message): Answer
    {
        return self::failure(401, $message, self::BEARER);
    }

    /** A parameter that is read here is wrong; the message says what would be right. */
    public static function invalid(string $message): Answer
    {
        return self::failure(200, $message);
    }

    public static function badRequest(string $message): Answer
    {
        return self::failure(400, $message);
    }

    public static function bodyTooLarge(int $bytesMax): Answer
    {
        return self::failure(413, "the body may have at most $bytesMax bytes");
    }

    public static function unsupportedMediaType(string $message): Answer
    {
        return self::failure(415, $message);
    }

    /** The gateway looks at no more tokens from this address for a while. */
    public static function tooManyRequests(string $message, ?string $retryAfter): Answer
    {
        return self::failure(429, $message, ['Retry-After' => $retryAfter ?? self::RETRY_AFTER['Retry-After']]);
    }

    public static function unavailable(string $what): Answer
    {
        return self::failure(503, "$what; nothing was done, please try again", self::RETRY_AFTER);
    }

    public static function unreadable(): Answer
    {
        return self::failure(502, "the answer can't be read; the operators have been told");
    }

    /** Something here is wrong; its operators find in the log what. */
    public static function broken(): Answer
    {
        return self::failure(500, "this can't be answered at the moment; the operators have been told");
    }

    /** @param ?string $commandId the command's id, null for a query */
    public static function lost(?string $commandId): Answer
    {
        if ($commandId === null) {
            return self::failure(503, 'the connection inside was lost; please try again', self::RETRY_AFTER);
        }
        $message = 'the connection inside was lost and the request may have been carried out; send it again with the '
            . "header Idempotency-Key: $commandId to get its answer, it is carried out only once";

        return self::failure(503, $message, self::RETRY_AFTER + self::idempotencyKey($commandId));
    }

    /** @param ?string $commandId the command's id, null for a query */
    public static function timedOut(?string $commandId, int $waitSeconds): Answer
    {
        if ($commandId === null) {
            $message = "no answer within $waitSeconds seconds; please try again";

            return self::failure(504, $message, self::RETRY_AFTER);
        }
        $message = "not finished within $waitSeconds seconds and still being worked on; send it again with the header "
            . "Idempotency-Key: $commandId to get its answer, it is carried out only once";

        return self::failure(504, $message, self::RETRY_AFTER + self::idempotencyKey($commandId));
    }

    /** The answer to a request that got none. */
    public static function publishError(PublishError $error, Request $request, int $waitSeconds): Answer
    {
        $commandId = $request->action->kind === Kind::Command ? $request->messageId : null;

        return match (true) {
            $error instanceof TimedOut => self::timedOut($commandId, $waitSeconds),
            $error instanceof ConnectionLost, $error->mayHaveBeenDone => self::lost($commandId),
            $error instanceof Unavailable => self::unavailable('the message broker is away at the moment'),
            default => self::unavailable('nobody works on this kind of request at the moment'),
        };
    }

    /** @param array<string, string> $headers */
    private static function failure(int $status, string $message, array $headers = []): Answer
    {
        return new Answer($status, Encoding::json(['code' => -1, 'message' => $message]), $headers);
    }

    /** @return array<string, string> */
    private static function idempotencyKey(string $id): array
    {
        return ['Idempotency-Key' => $id];
    }
}
