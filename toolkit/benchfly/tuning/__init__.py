"""Better settings for a store, found on its own host under its own load, and proved before anything is kept."""
