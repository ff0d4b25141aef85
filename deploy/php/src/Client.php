<?php

declare(strict_types=1);

namespace Purser;

use PhpAmqpLib\Exception\AMQPConnectionBlockedException;
use PhpAmqpLib\Exception\AMQPConnectionClosedException;
use PhpAmqpLib\Exception\AMQPExceptionInterface;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

/**
 * Publishes to RabbitMQ and waits for answers. It connects when it is first used and again whenever the connection
 * broke; a request that was cut off is published again under the same message id, which is done once.
 *
 * For pages as for processes that live for weeks. Not to be shared between processes: make it after a fork.
 */
final class Client implements Publisher
{
    private const PAUSE_SECONDS = 0.1;
    private const PAUSE_SECONDS_MAX = 2.0;
    /** Wrong password or no such virtual host: trying again is in vain. */
    private const LOGIN_REFUSED = [403, 530];
    private const MESSAGE_BYTES_MAX = 1_048_576;

    private readonly Connector $connector;
    private ?Session $session = null;

    public function __construct(private readonly Config $config)
    {
        $this->connector = new Connector($config);
    }

    public function __destruct()
    {
        $this->close();
    }

    public function call(Request $request): Reply
    {
        $waitSeconds = $request->waitSeconds ?? $this->config->replyWaitSeconds;
        $reply = $this->publish($request, microtime(true) + $waitSeconds);
        if ($reply === null) {
            $this->drop();
            throw new TimedOut(
                "no answer within $waitSeconds seconds",
                $request->messageId,
                $request->action->kind === Kind::Command,
            );
        }
        $encoding = Encoding::ofContentType($reply->has('content_type') ? $reply->get('content_type') : null)
            ?? throw new \UnexpectedValueException('the answer is neither MessagePack nor JSON');

        return new Reply($encoding->toJson($reply->getBody()), $request->messageId);
    }

    public function send(Request $request): void
    {
        if ($request->action->kind === Kind::Query) {
            throw new \InvalidArgumentException("{$request->action->name} is a query, which somebody must wait for");
        }
        $this->publish($request, null);
    }

    /** To be called now and then by a process that has nothing to publish, so that its connection stays alive. */
    public function keepAlive(): void
    {
        if ($this->session?->isDead()) {
            $this->drop();
        }
    }

    /** Ends the connection; the next request makes a new one. */
    public function close(): void
    {
        $this->session?->close();
        $this->session = null;
    }

    /** @param ?float $replyUntil the moment (microtime) until which an answer is waited for; null: not at all */
    private function publish(Request $request, ?float $replyUntil): ?AMQPMessage
    {
        $body = $this->config->encoding->encode($request->body());
        if (strlen($body) > self::MESSAGE_BYTES_MAX) {
            throw new \LengthException('a message may have at most ' . self::MESSAGE_BYTES_MAX . ' bytes');
        }
        $attempt = new Attempt($request->messageId, $this->config->reconnectSeconds);
        while (true) {
            try {
                return $this->publishOnce($request, $body, $replyUntil, $attempt);
            } catch (AMQPExceptionInterface $error) {
                $this->drop();
                $this->judge($error, $attempt);
                $attempt->pause(self::PAUSE_SECONDS, self::PAUSE_SECONDS_MAX);
            }
        }
    }

    private function publishOnce(Request $request, string $body, ?float $replyUntil, Attempt $attempt): ?AMQPMessage
    {
        $attempt->isOut = false;
        $session = $this->session($attempt);
        $attempt->isOut = true;
        $message = $this->message($request, $body, $replyUntil);
        $confirm = $session->publish($message, $request->action->kind->value, $this->config->confirmSeconds);
        if ($confirm !== Confirm::Acked) {
            $attempt->isOut = false;
            throw $confirm === Confirm::Returned
                ? $attempt->failed(Unroutable::class, "no service takes {$request->action->name}")
                : $attempt->failed(Rejected::class, "the broker refuses {$request->action->name}");
        }

        return $replyUntil === null ? null : $session->reply($replyUntil);
    }

    /** Goes on where another attempt may help; throws what there is to say otherwise. */
    private function judge(AMQPExceptionInterface $error, Attempt $attempt): void
    {
        // Only the text is taken over: the library's stack traces hold the password.
        $reason = $error->getMessage();
        if ($error instanceof AMQPProtocolChannelException) {
            $attempt->isOut = false;
            throw $attempt->failed(Rejected::class, $reason);
        }
        if ($error instanceof AMQPConnectionBlockedException) {
            $attempt->isOut = false;
        }
        $refused = !$attempt->isOut && $error instanceof AMQPConnectionClosedException
            && in_array($error->getCode(), self::LOGIN_REFUSED, true);
        $attempt->wasOut = $attempt->wasOut || $attempt->isOut;
        if ($refused || $attempt->isOver()) {
            throw $attempt->failed($attempt->wasOut ? ConnectionLost::class : Unavailable::class, $reason);
        }
    }

    private function session(Attempt $attempt): Session
    {
        if ($this->session?->isDead()) {
            $this->drop();
        }

        return $this->session ??= new Session($this->connector->open($attempt->until()));
    }

    private function drop(): void
    {
        $this->session?->abandon();
        $this->session = null;
    }

    private function message(Request $request, string $body, ?float $replyUntil): AMQPMessage
    {
        $isCommand = $request->action->kind === Kind::Command;
        $headers = ['traceparent' => TraceContext::continueOrStart($request->traceparent)];
        if ($request->deadline !== null) {
            $headers['deadline'] = $request->deadline->format('Y-m-d\TH:i:s.vP');
        }
        $properties = [
            'type' => $request->action->name,
            'content_type' => $this->config->encoding->value,
            'message_id' => $request->messageId,
            'correlation_id' => Uuid::v4(),
            // Also where nobody waits: a refusal that can be told to nobody would be kept aside for the operators.
            'reply_to' => 'amq.rabbitmq.reply-to',
            'user_id' => $this->config->user,
            'app_id' => $this->config->appId,
            'timestamp' => time(),
            'delivery_mode' => $isCommand
                ? AMQPMessage::DELIVERY_MODE_PERSISTENT
                : AMQPMessage::DELIVERY_MODE_NON_PERSISTENT,
            'application_headers' => new AMQPTable($headers),
        ];
        if (!$isCommand) {
            // A query that nobody waits for any more is not worth answering.
            $left = ($replyUntil ?? microtime(true)) - microtime(true);
            $properties['expiration'] = (string) max(1, (int) ($left * 1000));
        }

        return new AMQPMessage($body, $properties);
    }
}
