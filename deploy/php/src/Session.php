<?php

declare(strict_types=1);

namespace Purser;

use PhpAmqpLib\Channel\AMQPChannel;
use PhpAmqpLib\Connection\AbstractConnection;
use PhpAmqpLib\Exception\AMQPExceptionInterface;
use PhpAmqpLib\Exception\AMQPTimeoutException;
use PhpAmqpLib\Message\AMQPMessage;

/**
 * One connection with one channel in confirm mode that also receives replies. One message is under way at a time.
 *
 * Its methods throw the client library's exceptions. After any of them the session is of no more use: a timeout may
 * have struck in the middle of a frame.
 */
final class Session
{
    private readonly AMQPChannel $channel;
    private string $correlationId = '';
    private bool $returned = false;
    private ?Confirm $confirm = null;
    private ?AMQPMessage $reply = null;

    /** @throws AMQPExceptionInterface */
    public function __construct(private readonly AbstractConnection $connection)
    {
        $this->channel = $connection->channel();
        $this->channel->set_ack_handler(function (AMQPMessage $message): void {
            $this->confirmed($message, $this->returned ? Confirm::Returned : Confirm::Acked);
        });
        $this->channel->set_nack_handler(function (AMQPMessage $message): void {
            $this->confirmed($message, Confirm::Nacked);
        });
        $this->channel->set_return_listener(function (mixed ...$return): void {
            $this->returned = $this->returned || $this->isOurs($return[4]);
        });
        // Direct replies come to the channel that asks, and it must consume them before it does.
        $this->channel->basic_consume(
            'amq.rabbitmq.reply-to',
            no_ack: true,
            callback: function (AMQPMessage $message): void {
                // An answer to an earlier request, which nobody waited for to the end, is let go.
                $this->reply = $this->isOurs($message) ? $message : $this->reply;
            },
        );
        $this->channel->confirm_select();
    }

    /** Whether the connection is known to be dead. Only a confirm proves that it is alive. */
    public function isDead(): bool
    {
        try {
            $this->keepAlive();
        } catch (AMQPExceptionInterface) {
            return true;
        }

        return !$this->connection->isConnected() || !$this->channel->is_open();
    }

    /** Sends a heartbeat where one is due and takes in what the broker has sent. */
    public function keepAlive(): void
    {
        $this->connection->checkHeartBeat();
        while ($this->connection->select(0) > 0) {
            $this->channel->wait(null, true);
        }
    }

    /** Publishes, and waits for the broker's word on it. */
    public function publish(AMQPMessage $message, string $exchange, float $confirmSeconds): Confirm
    {
        $this->correlationId = $message->get('correlation_id');
        $this->returned = false;
        $this->confirm = $this->reply = null;
        $this->channel->basic_publish($message, $exchange, $message->get('type'), true);
        $this->waitFor(fn (): bool => $this->confirm !== null, microtime(true) + $confirmSeconds);

        return $this->confirm;
    }

    /** The reply to what was published last; null when it doesn't come until that moment (microtime). */
    public function reply(float $until): ?AMQPMessage
    {
        try {
            $this->waitFor(fn (): bool => $this->reply !== null, $until);
        } catch (AMQPTimeoutException) {
            return null;
        }

        return $this->reply;
    }

    /** Ends the connection; where the broker doesn't answer any more it is let go. */
    public function close(): void
    {
        try {
            $this->connection->close();
        } catch (AMQPExceptionInterface) {
        }
    }

    /** Ends the connection without a word: the other side may be dead, and waiting for its answer is in vain. */
    public function abandon(): void
    {
        $this->connection->getIO()->close();
    }

    /** @param callable(): bool $isThere */
    private function waitFor(callable $isThere, float $until): void
    {
        while (!$isThere()) {
            $left = $until - microtime(true);
            if ($left <= 0) {
                throw new AMQPTimeoutException('nothing came in time');
            }
            $this->channel->wait(null, false, $left);
        }
    }

    private function confirmed(AMQPMessage $message, Confirm $confirm): void
    {
        if ($this->isOurs($message)) {
            $this->confirm = $confirm;
        }
    }

    private function isOurs(AMQPMessage $message): bool
    {
        return $message->has('correlation_id') && $message->get('correlation_id') === $this->correlationId;
    }
}
