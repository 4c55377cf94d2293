"""What detection trainings of all frameworks share: data, recipes, options, scores, pictures."""
