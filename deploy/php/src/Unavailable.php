<?php

declare(strict_types=1);

namespace Purser;

/** The broker is away or takes no connection. */
final class Unavailable extends PublishError
{
}
