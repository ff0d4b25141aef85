<?php

declare(strict_types=1);

namespace Purser;

/** A request that got no answer. Its kinds say why. */
abstract class PublishError extends \RuntimeException
{
    /**
     * @param string $messageId the request's id: asking again under it is always safe
     * @param bool $mayHaveBeenDone whether a command may have been done, or may be done yet
     */
    final public function __construct(
        string $message,
        public readonly string $messageId,
        public readonly bool $mayHaveBeenDone,
    ) {
        parent::__construct($message);
    }
}
