<?php

declare(strict_types=1);

namespace Purser;

/** The connection broke before the broker had confirmed the message, or before the answer came. */
final class ConnectionLost extends PublishError
{
}
