<?php

declare(strict_types=1);

namespace Purser;

/** One request of one caller. Sending the same object again asks for the same thing, which is done once. */
final readonly class Request
{
    public Action $action;
    public string $messageId;

    /**
     * @param string|Action $action a name from the table of actions
     * @param array<array-key, mixed> $parameters
     * @param ?string $messageId a UUID, or null for a new one; a command is done once under its id
     * @param ?float $waitSeconds how long `call` waits for the answer; null: as configured
     * @param ?\DateTimeInterface $deadline after it a command is refused instead of done late
     * @param ?string $traceparent the W3C trace context to go on with
     * @throws \InvalidArgumentException for an unknown action or an id that is no UUID
     */
    public function __construct(
        string|Action $action,
        public array $parameters,
        public Principal $principal,
        ?string $messageId = null,
        public ?float $waitSeconds = null,
        public ?\DateTimeInterface $deadline = null,
        public ?string $traceparent = null,
    ) {
        $this->action = is_string($action)
            ? Actions::find($action) ?? throw new \InvalidArgumentException("unknown action \"$action\"")
            : $action;
        $this->messageId = $messageId === null
            ? Uuid::v7()
            : Uuid::parse($messageId) ?? throw new \InvalidArgumentException('messageId must be a UUID');
    }

    /** @return array<array-key, mixed> the message's map: the parameters, and who is asking */
    public function body(): array
    {
        return ['principal' => $this->principal->toArray()] + $this->parameters;
    }
}
