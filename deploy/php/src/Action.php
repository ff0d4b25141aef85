<?php

declare(strict_types=1);

namespace Purser;

/** One row of the table of actions. */
final readonly class Action
{
    public function __construct(
        /** The routing key and the message's type. */
        public string $name,
        public Kind $kind,
        /** Whether HTTP takes it by POST only. */
        public bool $postOnly = false,
        /** Whether /s3.php offers it; the others belong to /storage. */
        public bool $inS3Php = true,
    ) {
    }
}
